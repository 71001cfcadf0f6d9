_base_ = './vgg11_1xb32_clothing10.py'

model = dict(backbone=dict(depth=19))
