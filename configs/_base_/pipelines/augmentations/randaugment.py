# mmpretrain's settings of its Swin configs; what moves out of the picture leaves black.
augmentation = dict(
    type='RandAugment',
    policies='timm_increasing',
    num_policies=2,
    total_level=10,
    magnitude_level=9,
    magnitude_std=0.5,
    hparams=dict(pad_val=0, interpolation='bicubic'),
)
