_base_ = ['./mask-rcnn_s101_fpn_1xb4-1x_fashionpedia.py', '../../_base_/removal/fashionpedia.py']

train_dataloader, val_dataloader, test_dataloader = (
    dict(dataset=dict(_base_.rembg, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_[f'{subset}_dataloader'].dataset for subset in ('train', 'val', 'test'))
)
