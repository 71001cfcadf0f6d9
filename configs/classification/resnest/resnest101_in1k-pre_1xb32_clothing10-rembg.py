_base_ = [
    'mmpretrain::_base_/models/resnest101.py',
    '../../_base_/datasets/clothing10-rembg.py',
    '../../_base_/pipelines/resnest256.py',
    '../../_base_/schedules/sgd_step_200e.py',
    '../../_base_/classification_runtime.py',
]

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/resnest/'
    'resnest101_imagenet_converted-032caa52.pth'
)

model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    head=dict(
        num_classes=_base_.num_classes,
        loss=dict(num_classes=_base_.num_classes),
        topk=(1,),
    ),
    train_cfg=dict(probs=[0.0]),  # Mixup is off; [1.0] turns it on
)
data_preprocessor = dict(num_classes=_base_.num_classes)

# The paper's: batch 32, 200 epochs, SGD, this learning rate, step schedule.
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=5e-5))

custom_hooks = [dict(type='DiffMetricsHook')]
