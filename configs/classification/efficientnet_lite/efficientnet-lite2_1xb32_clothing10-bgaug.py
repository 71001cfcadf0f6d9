_base_ = ['./efficientnet-lite2_1xb32_clothing10.py', '../../_base_/background/clothing10.py']

train_dataloader = dict(
    dataset=dict(
        _base_.bgaug,
        _delete_=True,
        dataset=_base_.train_dataloader.dataset,
        pipeline=_base_.train_dataloader.dataset.pop('pipeline'),
    )
)
