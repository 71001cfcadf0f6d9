# U2-Net as its authors feed it: RGB, ImageNet's mean and deviation.
model = dict(
    type='U2NetSegmentor',
    arch='u2net',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=1,
    ),
    test_cfg=dict(mode='whole'),
)
