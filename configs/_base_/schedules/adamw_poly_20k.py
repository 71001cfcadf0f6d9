# As adamw_poly_160k.py, in 20,000 iterations: for datasets of about a thousand photos.
_base_ = './adamw_poly_160k.py'

param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=20_000),
]
train_cfg = dict(max_iters=20_000, val_interval=2_000)
