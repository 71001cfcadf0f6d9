_base_ = [
    'mmpretrain::_base_/models/resnet18.py',
    './_base_/products_bs32.py',
    './_base_/schedule_40e.py',
    './_base_/runtime.py',
    '../_base_/bgremoval_mm.py',
]

model = dict(
    backbone=dict(stem_channels=32, base_channels=32),
    head=dict(in_channels=256, num_classes=7, topk=(1,)),
)
