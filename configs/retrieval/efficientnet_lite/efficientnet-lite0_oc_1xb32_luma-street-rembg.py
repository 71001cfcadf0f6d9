_base_ = ['./efficientnet-lite0_oc_1xb32_luma-street.py', '../../_base_/removal/luma_street.py']

train_dataloader, val_dataloader = (
    dict(dataset=dict(_base_.rembg, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_[f'{subset}_dataloader'].dataset for subset in ('train', 'val'))
)
queries, gallery = _base_.test_dataloader.dataset.datasets
parts = [dict(_base_.rembg_street, dataset=queries), dict(_base_.rembg, dataset=gallery)]
test_dataloader = dict(dataset=dict(datasets=parts))
