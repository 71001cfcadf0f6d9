_base_ = [
    'mmpretrain::_base_/models/swin_transformer/tiny_224.py',
    '../../_base_/datasets/clothing10.py',
    '../../_base_/pipelines/swin224.py',
    '../../_base_/schedules/adamw_fixed_100e.py',
    '../../_base_/classification_runtime.py',
]

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/swin-transformer/'
    'swin_tiny_224_b16x64_300e_imagenet_20210616_090925-66df6be6.pth'
)

model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    head=dict(num_classes=_base_.num_classes, topk=(1,)),
    train_cfg=dict(probs=[0.0, 0.0]),  # Mixup and CutMix are off; [0.5, 0.5] turns them on
)
data_preprocessor = dict(num_classes=_base_.num_classes)

# The paper's: batch 32, 100 epochs, AdamW, this learning rate, fixed.
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-5))
