_base_ = ['./_base_/grocery_store.py', '../../_base_/losses/arcface.py']

# The hyper-parameters are those for Cars196.
model = dict(head=dict(loss=_base_.loss.cars196))
# The work takes one photo per class, but there are 30 classes for a batch of 32.
train_dataloader = dict(batch_sampler=dict(m=2))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'head.loss_module': dict(lr=_base_.proxies_lr.cars196)})
)
