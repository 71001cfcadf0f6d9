_base_ = ['mmpretrain::_base_/default_runtime.py', './bgremoval_mm.py']

default_hooks = dict(
    logger=dict(interval=25),
    # The last two and the best by validation: a checkpoint of VGG is 1 GB.
    checkpoint=dict(interval=1, max_keep_ckpts=2, save_best='accuracy/top1', rule='greater'),
    # Random numbers depend on seed and epoch alone: a resumed run ends as an uninterrupted one.
    epoch_seed=dict(type='EpochSeedHook'),
)
randomness = dict(seed=0)
