# 100 epochs, x 0.1 after epochs 30, 60 and 90. The learning rate is the experiment's.
_base_ = 'mmpretrain::_base_/schedules/imagenet_bs256.py'

auto_scale_lr = dict(enable=False, base_batch_size=32)
