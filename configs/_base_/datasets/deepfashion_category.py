_base_ = './deepfashion.py'

# 289,222 photos of garments in 46 categories, for which an agreement has to be signed:
#   python tools/prepare_dataset.py deepfashion-category data/deepfashion_category
num_classes = 46
photos = dict(type='DeepFashionCategory', data_root='data/deepfashion_category')

train_dataloader = dict(dataset=dict(photos, subset='train'))
val_dataloader = dict(dataset=dict(photos, subset='val'))
test_dataloader = dict(dataset=dict(photos, subset='test'))
val_evaluator = dict(type='Accuracy', topk=(1, 3, 5))
test_evaluator = dict(type='Accuracy', topk=(1, 3, 5))
