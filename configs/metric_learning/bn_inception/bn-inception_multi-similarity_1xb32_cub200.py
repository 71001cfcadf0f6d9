_base_ = ['./_base_/cub200.py', '../../_base_/losses/multi-similarity.py']

model = dict(head=dict(loss=_base_.loss.cub200))
train_dataloader = dict(batch_sampler=dict(m=_base_.photos_per_class))
