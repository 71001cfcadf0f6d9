_base_ = './loaders.py'

# Fashion styles in 14 classes, 13,126 photos, to be fetched by hand: docs/datasets.md
num_classes = 14
dataset_type = 'FashionStyle14'
data_root = 'data/FashionStyle14_v1'
split = 'official'  # or 'stratified', a new 60/5/35 split of the photos that are there

train_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, subset='train', split=split)
)
val_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, subset='val', split=split)
)
test_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, subset='test', split=split)
)
val_evaluator = dict(type='Accuracy', topk=(1,))
test_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='ClasswiseAccuracy')]
