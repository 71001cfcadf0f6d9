_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    '../../_base_/datasets/clothing10-rembg.py',
    '../../_base_/pipelines/crop224.py',
    '../../_base_/schedules/sgd_fixed_300e.py',
    '../../_base_/classification_runtime.py',
]

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/resnet/'
    'resnet50_8xb32_in1k_20210831-ea4938fc.pth'
)

model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    head=dict(num_classes=_base_.num_classes, topk=(1,)),
)
data_preprocessor = dict(num_classes=_base_.num_classes)

# The paper's: batch 32, 300 epochs, SGD, this learning rate, fixed.
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-5))

custom_hooks = [dict(type='DiffMetricsHook')]
