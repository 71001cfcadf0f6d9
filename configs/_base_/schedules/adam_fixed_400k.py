# BASNet's own: as U2-Net's, for 400,000 iterations, after which its authors found it converged.
_base_ = './adam_fixed_600k.py'

train_cfg = dict(max_iters=400_000)
auto_scale_lr = dict(base_batch_size=8)
