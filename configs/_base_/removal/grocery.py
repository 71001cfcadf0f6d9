# What a -rembg config has more than its original. Masks, once:
#   python tools/remove_background.py data/grocery_store data/masks/grocery_store --sheet
rembg = dict(
    type='RembgDataset',
    model='u2net',
    mask_dir='data/masks/grocery_store',
    on_missing='error',
)
custom_hooks = [dict(type='DiffMetricsHook')]
