# Kobs and Hotho: photos at a shorter side of 256 pixels, random or central crops of 227. The
# normalisation of BN-Inception, which was trained in Caffe: BGR from 0 to 255 without the mean.
data_preprocessor = dict(mean=[104, 117, 128], std=[1, 1, 1], to_rgb=False)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(
        type='RandomResizedCrop',
        scale=227,
        crop_ratio_range=(0.16, 1.0),
        aspect_ratio_range=(0.75, 1.33),
        backend='pillow',
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=227),
    dict(type='PackInputs'),
]
