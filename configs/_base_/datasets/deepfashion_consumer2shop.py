_base_ = './deepfashion.py'

# 195,540 pairs of a consumer's photo and a shop's, for which an agreement has to be signed:
#   python tools/prepare_dataset.py deepfashion-consumer2shop data/deepfashion_consumer2shop
# How many categories its folders name is not known here; DeepFashion has 50 names for categories,
# and outputs that no photo has do no harm.
num_classes = 50
photos = dict(type='DeepFashionConsumerToShop', data_root='data/deepfashion_consumer2shop')

train_dataloader = dict(dataset=dict(photos, subset='train'))
val_dataloader = dict(dataset=dict(photos, subset='val'))
test_dataloader = dict(dataset=dict(photos, subset='test'))
# For triplets of items: 4 photos of each of 16 items in a batch, of items that have two at least,
# and as many batches as the photos would fill.
item_batches = dict(type='MPerClassBatchSampler', by='item_id', m=4, least=2, iterations=None)
val_evaluator = [dict(type='QueryGalleryMetric')]
test_evaluator = [dict(type='QueryGalleryMetric'), dict(type='Accuracy', topk=(1, 3, 5))]
