_base_ = './vgg11_in1k-pre_1xb32_fashionstyle14.py'

pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg19_batch256_imagenet_20210208-e6920e4a.pth'
)
model = dict(backbone=dict(depth=19, init_cfg=dict(checkpoint=pretrained)))
