_base_ = [
    '../../_base_/models/basnet.py',
    '../../_base_/datasets/pairs.py',
    '../../_base_/pipelines/saliency256.py',
    '../../_base_/schedules/adam_fixed_30e.py',
    '../../_base_/saliency_runtime.py',
]

train_dataloader = dict(
    batch_size=8,
    persistent_workers=False,  # EpochSeedHook seeds the workers of each epoch
    dataset=dict(pipeline=_base_.train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(by_epoch=True, interval=1),
    # Random numbers depend on seed and epoch alone: a resumed run ends as an uninterrupted one.
    epoch_seed=dict(type='EpochSeedHook'),
)
log_processor = dict(by_epoch=True)
