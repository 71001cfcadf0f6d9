# Mask R-CNN with ResNeSt-101, from ImageNet weights; as mmdet's
# mask-rcnn_s101_fpn_syncbn-backbone+head_ms-1x_coco.py.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

pretrained = 'https://download.openmmlab.com/pretrain/third_party/resnest101_d2-f3b931b2.pth'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    data_preprocessor=dict(mean=[123.68, 116.779, 103.939], std=[58.393, 57.12, 57.375]),
    backbone=dict(
        type='ResNeSt',
        depth=101,
        stem_channels=128,
        radix=2,
        reduction_factor=4,
        avg_down_stride=True,
        norm_cfg=norm_cfg,
        norm_eval=False,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=norm_cfg),
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
