_base_ = './resnet50_in1k-pre_1xb32_clothing10.py'

pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/resnet/'
    'resnet101_8xb32_in1k_20210831-539c63f8.pth'
)
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint=pretrained)))
