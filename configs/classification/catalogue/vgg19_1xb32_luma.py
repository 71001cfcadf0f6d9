_base_ = './vgg16_1xb32_luma.py'

model = dict(backbone=dict(depth=19))
