# As adamw_poly_160k.py, in 20,000 iterations: for datasets of about a thousand photos.
_base_ = './adamw_poly_160k.py'

param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=1500, end=20_000),
]
train_cfg = dict(max_iters=20_000, val_interval=2_000)
