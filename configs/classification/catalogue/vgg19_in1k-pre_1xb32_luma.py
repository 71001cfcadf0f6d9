_base_ = './vgg19_1xb32_luma.py'

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg19_batch256_imagenet_20210208-e6920e4a.pth'
)
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'))
)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
