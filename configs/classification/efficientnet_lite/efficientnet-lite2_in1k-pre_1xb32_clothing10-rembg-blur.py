_base_ = [
    './efficientnet-lite2_in1k-pre_1xb32_clothing10.py',
    '../../_base_/removal/clothing10_blur.py',
]

train_dataloader, val_dataloader, test_dataloader = (
    dict(dataset=dict(_base_.rembg, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_[f'{subset}_dataloader'].dataset for subset in ('train', 'val', 'test'))
)
