# Mask R-CNN with ResNet-50 from ImageNet weights, as mmdet's mask-rcnn_r50_fpn_1x_coco.py, for one
# class: the foreground.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

model = dict(roi_head=dict(bbox_head=dict(num_classes=1), mask_head=dict(num_classes=1)))
