_base_ = ['./mask-rcnn_swin-t-p4-w7_fpn_1xb4-1x_ccp.py', '../../_base_/removal/ccp.py']

train_dataloader, val_dataloader, test_dataloader = (
    dict(dataset=dict(_base_.rembg, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_[f'{subset}_dataloader'].dataset for subset in ('train', 'val', 'test'))
)
