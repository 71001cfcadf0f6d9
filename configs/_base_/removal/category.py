# What a -rembg config has more than its original. Masks, once:
#   python tools/remove_background.py data/deepfashion_category \
#       data/masks/deepfashion_category --sheet
rembg = dict(
    type='RembgDataset',
    model='u2net',
    mask_dir='data/masks/deepfashion_category',
    on_missing='error',
)
custom_hooks = [dict(type='DiffMetricsHook')]
