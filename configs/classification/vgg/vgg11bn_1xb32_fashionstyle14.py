_base_ = './vgg11_1xb32_fashionstyle14.py'

model = dict(backbone=dict(norm_cfg=dict(type='BN')))
optim_wrapper = dict(optimizer=dict(lr=5e-3))  # the paper's
