_base_ = [
    'mmpretrain::_base_/models/vgg11.py',
    '../../_base_/datasets/clothing10-rembg_bs32.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
    '../../_base_/bgremoval_mm.py',
]

model = dict(backbone=dict(num_classes=10), head=dict(topk=(1,)))

# The paper's: SGD 0.01, batch 32, 100 epochs, step schedule. Never scaled by the batch size.
optim_wrapper = dict(optimizer=dict(lr=0.01))
auto_scale_lr = dict(enable=False)

randomness = dict(seed=0)

custom_hooks = [dict(type='DiffMetricsHook')]
