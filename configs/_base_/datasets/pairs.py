# Photos and masks of your own: bgremoval pairs check IMAGES MASKS --out data/pairs
train_dataloader = dict(
    batch_size=12,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='PairsDataset', manifest='data/pairs/manifest.csv', split='train'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='PairsDataset', manifest='data/pairs/manifest.csv', split='val'),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SaliencyMetric', scores=('MAE', 'IoU'))
test_evaluator = dict(type='SaliencyMetric')
