# BASNet's own: 256 x 256 whatever the aspect, crops of 224 x 224. The authors mirrored the files of
# DUTS-TR beforehand; here half of the samples are.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadSaliencyMask'),
    dict(type='Resize', scale=(256, 256), keep_ratio=False),
    dict(type='RandomCrop', crop_size=(224, 224)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='ScaleToFullRange'),
    dict(type='PackSegInputs'),
]
# mmseg's, and what SaliencyMetric gives its scores by.
meta_keys = (
    *('img_path', 'seg_map_path', 'ori_shape', 'img_shape', 'pad_shape', 'scale_factor'),
    *('flip', 'flip_direction', 'reduce_zero_label', 'cluster'),
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 256), keep_ratio=False),
    dict(type='LoadSaliencyMask'),  # after Resize: predictions are compared at the photo's own size
    dict(type='ScaleToFullRange'),
    dict(type='PackSegInputs', meta_keys=meta_keys),
]
# For `tools/test.py --tta`: the photo and its mirror image, whose predictions are turned back.
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 256), keep_ratio=False),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadSaliencyMask')],
            [dict(type='ScaleToFullRange')],
            [dict(type='PackSegInputs', meta_keys=meta_keys)],
        ],
    ),
]
