# 12 epochs, x 0.1 after epochs 8 and 11, after a linear warm-up. The learning rate is the
# experiment's.
_base_ = 'mmdet::_base_/schedules/schedule_1x.py'

auto_scale_lr = dict(enable=False, base_batch_size=4)
