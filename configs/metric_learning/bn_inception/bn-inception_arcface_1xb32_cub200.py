_base_ = ['./_base_/cub200.py', '../../_base_/losses/arcface.py']

model = dict(head=dict(loss=_base_.loss.cub200))
train_dataloader = dict(batch_sampler=dict(m=_base_.photos_per_class))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'head.loss_module': dict(lr=_base_.proxies_lr.cub200)})
)
