# 300 epochs at one learning rate, which is the experiment's.
optim_wrapper = dict(optimizer=dict(type='SGD', momentum=0.9, weight_decay=1e-4))
param_scheduler = []
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=32)
