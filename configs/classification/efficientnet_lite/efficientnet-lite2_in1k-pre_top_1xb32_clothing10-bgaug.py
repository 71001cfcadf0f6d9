_base_ = [
    './efficientnet-lite2_in1k-pre_top_1xb32_clothing10.py',
    '../../_base_/background/clothing10.py',
]

(train_dataloader,) = (
    dict(dataset=dict(_base_.bgaug, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_.train_dataloader.dataset,)
)
