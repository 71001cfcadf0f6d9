# Loaders of photos to classify, or to find again, 32 in a batch. A file that inherits from this one
# names the datasets. The pipelines come from _base_/pipelines; the config of the experiment puts
# both together.
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,  # EpochSeedHook seeds the workers of each epoch
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
