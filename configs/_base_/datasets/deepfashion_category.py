# 289,222 photos of garments in 46 categories, for which an agreement has to be signed:
#   python tools/prepare_dataset.py deepfashion-category data/deepfashion_category
# The pipelines come from _base_/pipelines.
num_classes = 46
photos = dict(type='DeepFashionCategory', data_root='data/deepfashion_category')

train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,  # EpochSeedHook seeds the workers of each epoch
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(photos, subset='train'),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(photos, subset='val'),
)
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(photos, subset='test'),
)
val_evaluator = dict(type='Accuracy', topk=(1, 3, 5))
test_evaluator = dict(type='Accuracy', topk=(1, 3, 5))
