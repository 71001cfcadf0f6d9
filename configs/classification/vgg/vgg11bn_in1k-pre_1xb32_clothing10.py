_base_ = './vgg11_in1k-pre_1xb32_clothing10.py'

pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg11_bn_batch256_imagenet_20210207-f244902c.pth'
)
model = dict(backbone=dict(norm_cfg=dict(type='BN'), init_cfg=dict(checkpoint=pretrained)))
