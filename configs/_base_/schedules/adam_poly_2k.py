# Fine-tuning: a tenth of U2-Net's learning rate, down to 0 in 2,000 iterations.
_base_ = './adam_fixed_600k.py'

optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=0, end=2_000)]
train_cfg = dict(max_iters=2_000, val_interval=200)
