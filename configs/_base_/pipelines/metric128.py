# The crops of Kobs and Hotho (256 and 227 pixels) at about 0.56 of their size, for small photos.
# Pixels from -1 to 1, as EfficientNet-Lite was trained with.
data_preprocessor = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], to_rgb=True)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=128,
        crop_ratio_range=(0.16, 1.0),
        aspect_ratio_range=(0.75, 1.33),
        backend='pillow',
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=144, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=128),
    dict(type='PackInputs'),
]
