_base_ = ['./deepfashion.py', './item_retrieval.py']

# 52,712 photos of 7,982 items of a shop, for which an agreement has to be signed:
#   python tools/prepare_dataset.py deepfashion-inshop data/deepfashion_inshop
# There are no photos for validation: it shows the progress on those of the test, and decides
# nothing.
num_classes = 23
photos = dict(type='DeepFashionInShop', data_root='data/deepfashion_inshop')

train_dataloader = dict(dataset=dict(photos, subset='train'))
val_dataloader = dict(dataset=dict(photos, subset='test'))
test_dataloader = dict(dataset=dict(photos, subset='test'))
