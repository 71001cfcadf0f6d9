_base_ = './inception-v3_in1k-pre_1xb32_luma.py'

# All but the last layer keeps the weights of ImageNet, and the statistics of its normalisation.
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0), 'backbone.fc': dict(lr_mult=1)}),
)
default_hooks = dict(freeze_bn=dict(type='FreezeBatchNormHook'))
