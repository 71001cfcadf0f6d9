_base_ = ['./resnet50_oc-is_1xb64_consumer2shop.py', '../../_base_/background/consumer2shop.py']

train_dataloader = dict(
    dataset=dict(
        _base_.bgaug,
        _delete_=True,
        dataset=_base_.train_dataloader.dataset,
        pipeline=_base_.train_dataloader.dataset.pop('pipeline'),
    )
)
