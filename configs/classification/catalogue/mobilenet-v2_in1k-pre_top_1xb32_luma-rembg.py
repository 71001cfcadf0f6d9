_base_ = ['./mobilenet-v2_in1k-pre_top_1xb32_luma.py', '../../_base_/removal/luma.py']

train_dataloader, val_dataloader, test_dataloader = (
    dict(dataset=dict(_base_.rembg, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_[f'{subset}_dataloader'].dataset for subset in ('train', 'val', 'test'))
)
