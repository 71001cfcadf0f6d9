_base_ = './vgg11_1xb32_clothing10.py'

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/vgg/'
    'vgg11_batch256_imagenet_20210208-4271cd6c.pth'
)
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'))
)
optim_wrapper = dict(optimizer=dict(lr=1e-4))  # the paper's
