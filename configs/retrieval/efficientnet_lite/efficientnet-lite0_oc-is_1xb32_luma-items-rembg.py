_base_ = ['./efficientnet-lite0_oc-is_1xb32_luma-items.py', '../../_base_/removal/luma.py']

train_dataloader, val_dataloader = (
    dict(dataset=dict(_base_.rembg, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_[f'{subset}_dataloader'].dataset for subset in ('train', 'val'))
)
test_dataloader = dict(
    dataset=dict(_base_.rembg, _delete_=True, dataset=_base_.test_dataloader.dataset)
)
