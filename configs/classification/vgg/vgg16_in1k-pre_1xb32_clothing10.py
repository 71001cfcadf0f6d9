_base_ = './vgg11_in1k-pre_1xb32_clothing10.py'

pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg16_batch256_imagenet_20210208-db26f1a5.pth'
)
model = dict(backbone=dict(depth=16, init_cfg=dict(checkpoint=pretrained)))
