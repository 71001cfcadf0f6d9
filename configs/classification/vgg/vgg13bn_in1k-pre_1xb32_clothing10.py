_base_ = './vgg11_in1k-pre_1xb32_clothing10.py'

pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg13_bn_batch256_imagenet_20210207-1a8b7864.pth'
)
model = dict(
    backbone=dict(depth=13, norm_cfg=dict(type='BN'), init_cfg=dict(checkpoint=pretrained))
)
