# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/densenet/'
    'densenet121_4xb256_in1k_20220426-07450f99.pth'
)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='DenseNet',
        arch='121',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='SimilarityClsHead', in_channels=1024),
)
