# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/se-resnet/'
    'se-resnet50_batch256_imagenet_20200804-ae206104.pth'
)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='SEResNet',
        depth=50,
        num_stages=4,
        out_indices=(3,),
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='SimilarityClsHead', in_channels=2048),
)
