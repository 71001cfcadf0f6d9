# As adamw_cosine_15e.py, in 30 epochs.
_base_ = './adamw_cosine_15e.py'

param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], T_max=29, end=30),
]
train_cfg = dict(max_epochs=30)
