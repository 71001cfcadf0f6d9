_base_ = './vgg-like_1xb32_luma.py'

model = dict(backbone=dict(arch='custom'), head=dict(in_channels=512))
