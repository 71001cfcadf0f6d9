# 100 epochs at one learning rate, which is the experiment's.
_base_ = 'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py'

optim_wrapper = dict(clip_grad=dict(max_norm=5.0))
param_scheduler = []
train_cfg = dict(max_epochs=100)
auto_scale_lr = dict(enable=False, base_batch_size=32)
