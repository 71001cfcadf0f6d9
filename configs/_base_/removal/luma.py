# What a -rembg config has more than its original. Masks, once:
#   python tools/remove_background.py data/luma_catalogue data/masks/luma_catalogue --sheet
rembg = dict(
    type='RembgDataset', model='u2net', mask_dir='data/masks/luma_catalogue', on_missing='error'
)
custom_hooks = [dict(type='DiffMetricsHook')]
