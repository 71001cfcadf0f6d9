_base_ = ['mmdet::_base_/default_runtime.py', './bgremoval_mm.py']

default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=2, save_best='coco/segm_mAP', rule='greater'),
    # Random numbers depend on seed and epoch alone: a resumed run ends as an uninterrupted one.
    epoch_seed=dict(type='EpochSeedHook'),
)
randomness = dict(seed=0)
