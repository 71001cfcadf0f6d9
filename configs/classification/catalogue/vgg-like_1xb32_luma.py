_base_ = [
    '../../_base_/datasets/luma.py',
    '../../_base_/pipelines/catalogue224.py',
    '../../_base_/schedules/adam_fixed_50e.py',
    '../../_base_/classification_runtime.py',
]

model = dict(
    type='ImageClassifier',
    backbone=dict(type='SmallCNN', arch='vgg_like', in_size=224),
    head=dict(type='LinearClsHead', in_channels=256, num_classes=_base_.num_classes, topk=(1,)),
)
data_preprocessor = dict(num_classes=_base_.num_classes)

train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
