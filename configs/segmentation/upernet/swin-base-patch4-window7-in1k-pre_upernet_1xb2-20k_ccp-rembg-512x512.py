_base_ = [
    './swin-base-patch4-window7-in1k-pre_upernet_1xb2-20k_ccp-512x512.py',
    '../../_base_/removal/ccp.py',
]

train_dataloader, val_dataloader, test_dataloader = (
    dict(dataset=dict(_base_.rembg, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_[f'{subset}_dataloader'].dataset for subset in ('train', 'val', 'test'))
)
