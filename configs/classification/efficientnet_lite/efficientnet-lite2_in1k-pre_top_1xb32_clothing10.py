_base_ = './efficientnet-lite2_in1k-pre_1xb32_clothing10.py'

# The last layer alone is trained: the others keep the weights of ImageNet, and the statistics of
# their normalisation.
default_hooks = dict(freeze=dict(type='FreezeModulesHook', modules=['backbone']))
optim_wrapper = dict(optimizer=dict(lr=3e-3))
