# 81 products held up in shops, MIT: https://github.com/marcusklasson/GroceryStoreDataset
# Training, validation and test have different classes: 30, 11 and 40.
# The pipelines come from _base_/pipelines; the config of the experiment puts both together.
num_classes = 30
dataset_type = 'GroceryStore'
data_root = 'data/grocery_store'

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,  # EpochSeedHook seeds the workers of each epoch
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    # 8 classes with 4 photos in a batch, 100 batches in an epoch.
    batch_sampler=dict(type='MPerClassBatchSampler', m=4, iterations=100),
    dataset=dict(type=dataset_type, data_root=data_root, subset='train'),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, subset='val'),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, subset='test'),
)
val_evaluator = dict(type='RetrievalMetric')
test_evaluator = dict(type='RetrievalMetric')
