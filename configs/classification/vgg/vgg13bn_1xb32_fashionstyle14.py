_base_ = './vgg11bn_1xb32_fashionstyle14.py'

model = dict(backbone=dict(depth=13))
