# No hue: mmcv 2.1.0 with numpy 2 cannot change it (docs/openmmlab.md).
augmentation = dict(
    type='RandomApply',
    prob=0.5,
    transforms=[dict(type='ColorJitter', brightness=0.2, contrast=0.2, saturation=0.2)],
)
