_base_ = ['./efficientnet-lite0_oc_1xb32_luma-street.py', '../../_base_/background/street.py']

train_dataloader = dict(
    dataset=dict(
        _base_.bgaug,
        _delete_=True,
        dataset=_base_.train_dataloader.dataset,
        pipeline=_base_.train_dataloader.dataset.pop('pipeline'),
    )
)
