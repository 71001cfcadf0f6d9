_base_ = ['./_base_/sop.py', '../../_base_/losses/contrastive.py']

model = dict(head=dict(loss=_base_.loss.sop))
train_dataloader = dict(batch_sampler=dict(m=_base_.photos_per_class))
