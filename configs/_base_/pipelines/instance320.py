# The foreground as one object, at the size and with the augmentation of saliency320.py.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadForegroundInstance'),
    dict(type='Resize', scale=(320, 320), keep_ratio=False),
    dict(type='RandomCrop', crop_size=(288, 288)),
    dict(type='RandomFlip', prob=0.5, direction='vertical'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='PackDetInputs',
        meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction'),
    ),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(320, 320), keep_ratio=False),
    dict(type='LoadSaliencyMask'),  # after Resize: predictions are compared at the photo's own size
    # What mmdet needs, and what SaliencyMetric gives its scores by.
    dict(
        type='PackDetInputs',
        meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'cluster'),
    ),
]
