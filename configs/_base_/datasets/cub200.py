_base_ = './class_split.py'

# 200 species of birds, 11,788 photos, to be fetched by hand: docs/metric_learning.md
# Training, validation and test have different classes. Masks of all photos, once:
#   python tools/remove_background.py data/CUB_200_2011 data/masks/CUB_200_2011
num_classes = 75
photos = dict(type='CUB200', data_root='data/CUB_200_2011')
masks = dict(mask_dir='data/masks/CUB_200_2011', model='u2net', on_missing='error', resize='linear')

train_dataloader = dict(dataset=photos)
val_dataloader = dict(dataset=photos)
test_dataloader = dict(dataset=photos)
test_cfg = masks
bgaug = masks
attention = dict(type='AttentionScoreHook', mask_dir=masks['mask_dir'], model=masks['model'])
