# Products held up in shops: those of the test are others than those of training. MIT:
#   python tools/prepare_dataset.py grocerystore
# Categories are the authors' coarse classes. Queries and gallery of the test are two datasets, so
# that they can differ. The pipelines come from _base_/pipelines.
num_classes = 43
photos = dict(type='GroceryStoreItems', data_root='data/grocery_store')

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,  # EpochSeedHook seeds the workers of each epoch
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(photos, subset='train'),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(photos, subset='val'),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ConcatDataset',
        datasets=[dict(photos, subset='query'), dict(photos, subset='gallery')],
    ),
)
# For triplets of items: 4 photos of each of 8 items in a batch, of items that have two at least,
# and as many batches as the photos would fill.
item_batches = dict(type='MPerClassBatchSampler', by='item_id', m=4, least=2, iterations=None)
val_evaluator = [dict(type='QueryGalleryMetric')]
test_evaluator = [dict(type='QueryGalleryMetric'), dict(type='Accuracy', topk=(1, 3, 5))]
