# Fashionpedia, 46 garments and parts of them, to be fetched by hand: docs/datasets.md
# The pipelines come from _base_/pipelines; the config of the experiment puts both together.
num_classes = 46
dataset_type = 'Fashionpedia'
data_root = 'data/fashionpedia'

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
test_dataloader = val_dataloader  # the test photos have no public annotations
val_evaluator = dict(
    type='CocoMetric',
    ann_file='data/fashionpedia/annotations/instances_attributes_val2020.json',
    metric=['bbox', 'segm'],
)
test_evaluator = val_evaluator
