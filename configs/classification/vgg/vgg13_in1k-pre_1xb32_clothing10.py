_base_ = './vgg11_in1k-pre_1xb32_clothing10.py'

pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg13_batch256_imagenet_20210208-4d1d6080.pth'
)
model = dict(backbone=dict(depth=13, init_cfg=dict(checkpoint=pretrained)))
