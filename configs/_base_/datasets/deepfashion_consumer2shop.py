_base_ = ['./deepfashion.py', './item_retrieval.py']

# 195,540 pairs of a consumer's photo and a shop's, for which an agreement has to be signed:
#   python tools/prepare_dataset.py deepfashion-consumer2shop data/deepfashion_consumer2shop
# How many categories its folders name is not known here; DeepFashion has 50 names for categories,
# and outputs that no photo has do no harm.
num_classes = 50
photos = dict(type='DeepFashionConsumerToShop', data_root='data/deepfashion_consumer2shop')

train_dataloader = dict(dataset=dict(photos, subset='train'))
val_dataloader = dict(dataset=dict(photos, subset='val'))
test_dataloader = dict(dataset=dict(photos, subset='test'))
