_base_ = ['./resnet50_oc-os_1xb64_inshop.py', '../../_base_/background/inshop.py']

train_dataloader = dict(
    dataset=dict(
        _base_.bgaug,
        _delete_=True,
        dataset=_base_.train_dataloader.dataset,
        pipeline=_base_.train_dataloader.dataset.pop('pipeline'),
    )
)
