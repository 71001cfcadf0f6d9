# Catalogues, 299 x 299 pixels: flip, shift by up to 0.25 and zoom by up to 0.25.
# Photos are padded by half their side with their edge pixels, so that no shift shows a border; the
# share of the shift is that of the padded side. The reasons are in docs/defaults.md.
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(299, 299)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='NumpyToPIL', to_rgb=True),
    dict(type='torchvision/Pad', padding=150, padding_mode='edge'),
    dict(
        type='torchvision/RandomAffine',
        degrees=0,
        translate=(0.124791, 0.124791),
        scale=(0.75, 1.25),
        interpolation='bilinear',
    ),
    dict(type='torchvision/CenterCrop', size=299),
    dict(type='PILToNumpy', to_bgr=True),
    dict(type='PackInputs', algorithm_keys=('product_id',)),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(299, 299)),
    dict(type='PackInputs', algorithm_keys=('product_id',)),
]
