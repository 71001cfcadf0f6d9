_base_ = './class_split.py'

# 22,634 products from eBay, 120,053 photos, to be fetched by hand: docs/metric_learning.md
# Training, validation and test have different classes. Masks of all photos, once:
#   python tools/remove_background.py data/Stanford_Online_Products \
#       data/masks/Stanford_Online_Products
num_classes = 8489
photos = dict(type='StanfordOnlineProducts', data_root='data/Stanford_Online_Products')
masks = dict(
    mask_dir='data/masks/Stanford_Online_Products',
    model='u2net',
    on_missing='error',
    resize='linear',
)

train_dataloader = dict(dataset=photos)
val_dataloader = dict(dataset=photos)
test_dataloader = dict(dataset=photos)
test_cfg = masks
bgaug = masks
attention = dict(type='AttentionScoreHook', mask_dir=masks['mask_dir'], model=masks['model'])
