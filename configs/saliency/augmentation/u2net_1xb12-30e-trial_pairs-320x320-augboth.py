# Random crops of 288 x 288, half of them upside down.
_base_ = './u2net_1xb12-30e-trial_pairs-320x320.py'

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadSaliencyMask'),
            dict(type='Resize', scale=(320, 320), keep_ratio=False),
            dict(type='RandomCrop', crop_size=(288, 288)),
            dict(type='RandomFlip', prob=0.5, direction='vertical'),
            dict(type='ScaleToFullRange'),
            dict(type='PackSegInputs'),
        ],
    )
)
