_base_ = './efficientnet-lite0_contrastive_1xb32_grocery-store.py'

train_dataloader, val_dataloader = (
    dict(dataset=dict(_base_.bgaug, _delete_=True, dataset=each, pipeline=each.pop('pipeline')))
    for each in (_base_.train_dataloader.dataset, _base_.val_dataloader.dataset)
)
custom_hooks = [*_base_.custom_hooks, *_base_.pair_hooks]
