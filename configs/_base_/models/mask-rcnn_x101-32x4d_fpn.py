# Mask R-CNN with ResNeXt-101 32x4d, from ImageNet weights; as mmdet's
# mask-rcnn_x101-32x4d_fpn_1x_coco.py.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

pretrained = 'https://download.openmmlab.com/pretrain/third_party/resnext101_32x4d-a5af3160.pth'
model = dict(
    backbone=dict(
        type='ResNeXt',
        depth=101,
        groups=32,
        base_width=4,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    )
)
