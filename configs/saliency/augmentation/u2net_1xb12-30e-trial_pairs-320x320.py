# No augmentation: the whole photo, 320 x 320.
_base_ = '../u2net/u2net_1xb12-30e_pairs-320x320.py'

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadSaliencyMask'),
            dict(type='Resize', scale=(320, 320), keep_ratio=False),
            dict(type='ScaleToFullRange'),
            dict(type='PackSegInputs'),
        ],
    )
)
