# What a -bgaug config has more than its original: in training, another background behind every
# photo in every epoch; validation and test stay as they are. Masks, once:
#   python tools/remove_background.py data/deepfashion_inshop data/masks/deepfashion_inshop --sheet
bgaug = dict(
    type='RembgDataset',
    bank='data/background_bank/bank_a.txt',
    model='u2net',
    mask_dir='data/masks/deepfashion_inshop',
    on_missing='error',
    resize='linear',
)
custom_hooks = [dict(type='DiffMetricsHook'), dict(type='DisjointBanksHook')]
