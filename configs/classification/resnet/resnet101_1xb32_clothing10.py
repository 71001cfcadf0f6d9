_base_ = './resnet50_1xb32_clothing10.py'

model = dict(backbone=dict(depth=101))
