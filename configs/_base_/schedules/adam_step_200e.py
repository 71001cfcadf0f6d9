# Park et al.: Adam, x 0.1 after epochs 100 and 150. They do not say when it ends: after 200 epochs.
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-4, weight_decay=0))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[100, 150], gamma=0.1)
train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=10)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=64)
