_base_ = './class_split.py'

# 81 products held up in shops, MIT: https://github.com/marcusklasson/GroceryStoreDataset
# Training, validation and test have different classes. Masks of all photos, once:
#   python tools/remove_background.py data/grocery_store data/masks/grocery_store
num_classes = 30
photos = dict(type='GroceryStore', data_root='data/grocery_store')
masks = dict(
    mask_dir='data/masks/grocery_store', model='u2net', on_missing='error', resize='linear'
)

train_dataloader = dict(dataset=photos)
val_dataloader = dict(dataset=photos)
test_dataloader = dict(dataset=photos)
test_cfg = masks
bgaug = masks
attention = dict(type='AttentionScoreHook', mask_dir=masks['mask_dir'], model=masks['model'])
