# U2-Net's own: Adam at a fixed learning rate; its authors save every 2,000 iterations.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0),
)
param_scheduler = []
train_cfg = dict(type='IterBasedTrainLoop', max_iters=600_000, val_interval=2_000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=12)
