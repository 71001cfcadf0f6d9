_base_ = './inception-v3_1xb32_luma.py'

# ImageNet weights; $BGREMOVAL_MM_PRETRAINED may name a folder that has the file.
pretrained = (
    'https://download.openmmlab.com/mmclassification/v0/inception-v3/'
    'inception-v3_3rdparty_8xb32_in1k_20220615-dcd4d910.pth'
)
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='backbone'))
)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
