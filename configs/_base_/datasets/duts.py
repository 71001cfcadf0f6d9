# DUTS: 10,553 training and 5,019 test photos with masks, http://saliencydetection.net/duts
train_dataloader = dict(
    batch_size=12,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='SaliencyFolders', data_root='data/duts/DUTS-TR', layout='DUTS-TR'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='SaliencyFolders', data_root='data/duts/DUTS-TE', layout='DUTS-TE'),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SaliencyMetric', scores=('MAE', 'IoU'))
test_evaluator = dict(type='SaliencyMetric')
