_base_ = [
    'mmpretrain::_base_/models/vgg11bn.py',
    '../../_base_/datasets/fashionstyle14.py',
    '../../_base_/pipelines/crop224.py',
    '../../_base_/schedules/sgd_step_100e.py',
    '../../_base_/classification_runtime.py',
]

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg11_bn_batch256_imagenet_20210207-f244902c.pth'
)

model = dict(
    backbone=dict(
        num_classes=_base_.num_classes,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    head=dict(topk=(1,)),
)
data_preprocessor = dict(num_classes=_base_.num_classes)

# The paper's: batch 32, 100 epochs, SGD, this learning rate, step schedule.
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
