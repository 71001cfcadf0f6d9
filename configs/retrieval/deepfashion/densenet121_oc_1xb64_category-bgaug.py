_base_ = ['./densenet121_oc_1xb64_category.py', '../../_base_/background/category.py']

train_dataloader = dict(
    dataset=dict(
        _base_.bgaug,
        _delete_=True,
        dataset=_base_.train_dataloader.dataset,
        pipeline=_base_.train_dataloader.dataset.pop('pipeline'),
    )
)
