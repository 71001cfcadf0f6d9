_base_ = './resnet50_1xb32_fashionstyle14.py'

model = dict(backbone=dict(depth=101))
