_base_ = './mobilenet-v2_triplet_1xb32_grocery-store.py'

# Temperature and learning rate of the proxies for Cars196.
model = dict(
    head=dict(
        loss=dict(_delete_=True, type='NormalizedSoftmaxLoss', temperature=0.08863250090946041)
    )
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={'head.loss_module': dict(lr=0.011046164985524668)})
)
# The work takes one photo per class, but there are 30 classes for a batch of 32.
train_dataloader = dict(batch_sampler=dict(m=2))
