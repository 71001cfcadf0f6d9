_base_ = [
    '../../_base_/datasets/grocery_store.py',
    '../../_base_/pipelines/metric128.py',
    '../../_base_/schedules/rmsprop_early-stop_1000e.py',
    '../../_base_/metric_runtime.py',
]

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/'
    'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth'
)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='MobileNetV2',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='EmbeddingHead',
        in_channels=1280,
        num_classes=_base_.num_classes,
        # The margin for Cars196.
        loss=dict(type='TripletMarginLoss', margin=0.11902737154413517),
    ),
)

train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
