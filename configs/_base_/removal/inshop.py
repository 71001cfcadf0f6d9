# What a -rembg config has more than its original. Masks, once:
#   python tools/remove_background.py data/deepfashion_inshop data/masks/deepfashion_inshop --sheet
rembg = dict(
    type='RembgDataset',
    model='u2net',
    mask_dir='data/masks/deepfashion_inshop',
    on_missing='error',
)
custom_hooks = [dict(type='DiffMetricsHook')]
