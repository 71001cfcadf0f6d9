_base_ = './class_split.py'

# 196 models of cars, 16,185 photos, to be fetched by hand: docs/metric_learning.md
# Training, validation and test have different classes. Masks of all photos, once:
#   python tools/remove_background.py data/cars196 data/masks/cars196
num_classes = 74
photos = dict(type='Cars196', data_root='data/cars196')
masks = dict(mask_dir='data/masks/cars196', model='u2net', on_missing='error', resize='linear')

train_dataloader = dict(dataset=photos)
val_dataloader = dict(dataset=photos)
test_dataloader = dict(dataset=photos)
test_cfg = masks
bgaug = masks
attention = dict(type='AttentionScoreHook', mask_dir=masks['mask_dir'], model=masks['model'])
