# mmpretrain has no ImageNet weights of SEResNeXt-50: these are ResNeXt-50's, without those of
# the squeeze-and-excitation layers. $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/resnext/'
    'resnext50_32x4d_b32x8_imagenet_20210429-56066e27.pth'
)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='SEResNeXt',
        depth=50,
        num_stages=4,
        out_indices=(3,),
        groups=32,
        width_per_group=4,
        se_ratio=16,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='SimilarityClsHead', in_channels=2048),
)
