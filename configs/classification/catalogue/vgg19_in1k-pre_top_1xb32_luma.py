_base_ = './vgg19_in1k-pre_1xb32_luma.py'

# The convolutions keep the weights of ImageNet.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone.features': dict(lr_mult=0)}))
