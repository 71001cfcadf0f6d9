# What a -rembg config has more than its original. Masks, once:
#   python tools/remove_background.py data/ccp data/masks/ccp --sheet
rembg = dict(type='RembgDataset', model='u2net', mask_dir='data/masks/ccp', on_missing='error')
custom_hooks = [dict(type='DiffMetricsHook')]
