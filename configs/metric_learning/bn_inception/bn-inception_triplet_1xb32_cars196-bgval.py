_base_ = './bn-inception_triplet_1xb32_cars196.py'

val_dataloader = dict(
    dataset=dict(
        _base_.bgaug,
        _delete_=True,
        dataset=_base_.val_dataloader.dataset,
        pipeline=_base_.val_dataloader.dataset.pop('pipeline'),
    )
)
custom_hooks = [*_base_.custom_hooks, *_base_.pair_hooks]
