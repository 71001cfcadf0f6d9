# For triplets of items: 4 photos of each item in a batch, of items that have two at least, and as
# many batches as the photos would fill. The test counts queries whose item is among the first.
item_batches = dict(type='MPerClassBatchSampler', by='item_id', m=4, least=2, iterations=None)
val_evaluator = [dict(type='QueryGalleryMetric')]
test_evaluator = [dict(type='QueryGalleryMetric'), dict(type='Accuracy', topk=(1, 3, 5))]
