# ResNeSt-101: mmpretrain's resnest101_32xb64_in1k.py.
# Both variants use it; the reasons are in docs/defaults.md.
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

shear = dict(
    type='Shear',
    pad_val=0,
    magnitude_key='magnitude',
    magnitude_range=(0, 0.3),
    prob=0.5,
    random_negative_prob=0.5,
)
translate = dict(
    type='Translate',
    pad_val=0,
    magnitude_key='magnitude',
    magnitude_range=(0, 0.3),
    prob=0.5,
    random_negative_prob=0.5,
    interpolation='bicubic',
)
colour = dict(
    magnitude_key='magnitude', magnitude_range=(-0.9, 0.9), prob=0.5, random_negative_prob=0.0
)
policies = [
    dict(type='AutoContrast', prob=0.5),
    dict(type='Equalize', prob=0.5),
    dict(type='Invert', prob=0.5),
    dict(
        type='Rotate',
        pad_val=0,
        magnitude_key='angle',
        magnitude_range=(0, 30),
        prob=0.5,
        random_negative_prob=0.5,
    ),
    dict(type='Posterize', magnitude_key='bits', magnitude_range=(0, 4), prob=0.5),
    dict(type='Solarize', magnitude_key='thr', magnitude_range=(0, 256), prob=0.5),
    dict(
        type='SolarizeAdd', magnitude_key='magnitude', magnitude_range=(0, 110), thr=128, prob=0.5
    ),
    dict(type='ColorTransform', **colour),
    dict(type='Contrast', **colour),
    dict(type='Brightness', **colour),
    dict(type='Sharpness', **colour),
    dict(direction='horizontal', **shear),
    dict(direction='vertical', **shear),
    # Off: the paper argues that cutting out conflicts with removed backgrounds. Upstream: 0.5.
    dict(type='Cutout', magnitude_key='shape', magnitude_range=(1, 41), pad_val=0, prob=0.0),
    dict(direction='horizontal', **translate),
    dict(direction='vertical', **translate),
]

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandAugment', policies=policies, num_policies=2, magnitude_level=12),
    dict(type='EfficientNetRandomCrop', scale=256, backend='pillow'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(
        type='Lighting',
        eigval=[55.4625, 4.7940, 1.1475],  # of ImageNet, in the order B, G, R
        eigvec=[
            [-0.5836, -0.6948, 0.4203],
            [-0.5808, -0.0045, -0.8140],
            [-0.5675, 0.7192, 0.4009],
        ],
        alphastd=0.1,
        to_rgb=False,
    ),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='EfficientNetCenterCrop', crop_size=256, backend='pillow'),
    dict(type='PackInputs'),
]
