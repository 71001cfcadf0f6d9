_base_ = './vgg11_1xb32_fashionstyle14.py'

model = dict(backbone=dict(depth=13))
