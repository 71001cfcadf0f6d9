_base_ = './vgg11_in1k-pre_1xb32_clothing10.py'

pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg19_bn_batch256_imagenet_20210208-da620c4f.pth'
)
model = dict(
    backbone=dict(depth=19, norm_cfg=dict(type='BN'), init_cfg=dict(checkpoint=pretrained))
)
