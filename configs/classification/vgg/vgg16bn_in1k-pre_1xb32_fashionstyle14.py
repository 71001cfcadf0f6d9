_base_ = './vgg11_in1k-pre_1xb32_fashionstyle14.py'

pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg16_bn_batch256_imagenet_20210208-7e55cd29.pth'
)
model = dict(
    backbone=dict(depth=16, norm_cfg=dict(type='BN'), init_cfg=dict(checkpoint=pretrained))
)
