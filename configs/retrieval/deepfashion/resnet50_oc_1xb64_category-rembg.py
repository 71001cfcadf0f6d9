_base_ = ['./resnet50_oc_1xb64_category.py', '../../_base_/removal/category.py']

train_dataloader, val_dataloader, test_dataloader = (
    dict(dataset=dict(_base_.rembg, _delete_=True, dataset=photos, pipeline=photos.pop('pipeline')))
    for photos in (_base_[f'{subset}_dataloader'].dataset for subset in ('train', 'val', 'test'))
)
