# What a -rembg config has more than its original. Masks, once:
#   python tools/remove_background.py data/FashionStyle14_v1 data/masks/fashionstyle14 --sheet
rembg = dict(
    type='RembgDataset', model='u2net', mask_dir='data/masks/fashionstyle14', on_missing='error'
)
custom_hooks = [dict(type='DiffMetricsHook')]
