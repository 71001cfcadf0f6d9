# 400 epochs: 20 of linear warm-up, then a cosine down to 1e-5. The learning rate is the
# experiment's.
_base_ = 'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py'

optim_wrapper = dict(clip_grad=dict(max_norm=5.0))
train_cfg = dict(max_epochs=400)
auto_scale_lr = dict(enable=False, base_batch_size=16)
