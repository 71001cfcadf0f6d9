_base_ = './luma.py'

# The products of Luma in each of their colours: a photo from behind, or a close-up, is to find the
# photo that the shop shows first. Queries and gallery are two datasets, so that they can differ.
photos = dict(
    _base_.luma,
    type='CatalogueItems',
    item=('item_id', 'colour'),
    queries=dict(view=['back', 'alt']),
)

train_dataloader = dict(dataset=dict(photos, subset='train'))
val_dataloader = dict(dataset=dict(photos, subset='val'))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[dict(photos, subset='query'), dict(photos, subset='gallery')],
    )
)
# For triplets of items: 4 photos of each of 8 items in a batch, of items that have two at least,
# and as many batches as the photos would fill.
item_batches = dict(type='MPerClassBatchSampler', by='item_id', m=4, least=2, iterations=None)
val_evaluator = [dict(type='QueryGalleryMetric')]
test_evaluator = [dict(type='QueryGalleryMetric'), dict(type='Accuracy', topk=(1, 3, 5))]
