# What a -rembg config has more than its original. Masks, once:
#   python tools/remove_background.py data/clothing10 data/masks/clothing10 --sheet
rembg = dict(
    type='RembgDataset', model='u2net', mask_dir='data/masks/clothing10', on_missing='error'
)
custom_hooks = [dict(type='DiffMetricsHook')]
