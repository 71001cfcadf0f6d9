_base_ = './loaders.py'

# Garments in 10 classes, 3,781 photos, CC0: python tools/prepare_dataset.py clothing10
num_classes = 10
dataset_type = 'Clothing10'
data_root = 'data/clothing10'

train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, subset='train'))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, subset='val'))
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, subset='test'))
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='ClasswiseAccuracy')]
