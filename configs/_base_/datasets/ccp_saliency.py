# Clothing Co-Parsing, what is not background in 1,004 street photos: tools/prepare_dataset.py ccp
train_dataloader = dict(
    batch_size=12,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='CCPSaliency', data_root='data/ccp', subset='train'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CCPSaliency', data_root='data/ccp', subset='val'),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SaliencyMetric', scores=('MAE', 'IoU'))
test_evaluator = dict(type='SaliencyMetric')
