# The same photos with their background removed. Masks, once:
#   python tools/remove_background.py data/fashionpedia data/masks/fashionpedia --sheet
_base_ = './fashionpedia47_semantic.py'

rembg = dict(
    type='RembgDataset',
    model='u2net',
    mask_dir='data/masks/fashionpedia',
    on_missing='error',
)

train_dataloader = dict(
    dataset=dict(_delete_=True, dataset=_base_.train_dataloader.dataset, **rembg)
)
val_dataloader = dict(dataset=dict(_delete_=True, dataset=_base_.val_dataloader.dataset, **rembg))
test_dataloader = dict(dataset=dict(_delete_=True, dataset=_base_.test_dataloader.dataset, **rembg))
