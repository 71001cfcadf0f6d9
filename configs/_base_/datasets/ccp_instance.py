# Clothing Co-Parsing, 58 labels, 1,004 street photos: python tools/prepare_dataset.py ccp
# The pipelines come from _base_/pipelines; the config of the experiment puts both together.
num_classes = 58
dataset_type = 'CCP'
data_root = 'data/ccp'

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=False,  # EpochSeedHook seeds the workers of each epoch
    sampler=dict(type='DefaultSampler', shuffle=True),
    batch_sampler=dict(type='AspectRatioBatchSampler'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        subset='train',
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, subset='val'),
)
test_dataloader = val_dataloader  # there are two subsets
val_evaluator = dict(
    type='CocoMetric',
    ann_file='data/ccp-prepared/annotations/instances_val.json',
    metric=['bbox', 'segm'],
)
test_evaluator = val_evaluator
