_base_ = [
    'mmpretrain::_base_/models/vit-base-p16.py',
    '../../_base_/datasets/clothing10.py',
    '../../_base_/pipelines/vit224.py',
    '../../_base_/schedules/adamw_fixed_100e.py',
    '../../_base_/classification_runtime.py',
]

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vit/finetune/'
    'vit-base-p16_in21k-pre-3rdparty_ft-64xb64_in1k-384_20210928-98e8652b.pth'
)

model = dict(
    backbone=dict(
        init_cfg=dict(_delete_=True, type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    head=dict(num_classes=_base_.num_classes),
)
data_preprocessor = dict(num_classes=_base_.num_classes)

# The paper's: batch 32, 100 epochs, AdamW, this learning rate, fixed.
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-5), clip_grad=dict(max_norm=1.0))
