# 12 epochs, x 0.1 after epochs 8 and 11. The learning rate is the experiment's.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', betas=(0.9, 0.999), weight_decay=1e-4),
)
param_scheduler = [
    # No warm-up: the paper names none beside AdamW. A start_factor of 0.001 gives upstream's.
    dict(type='LinearLR', start_factor=1.0, by_epoch=False, begin=0, end=1000),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 11], gamma=0.1),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=4)
