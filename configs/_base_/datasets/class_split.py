_base_ = './loaders.py'

# Loaders and test of the datasets whose subsets have different classes. A file that inherits from
# this one names photos and masks. The pipelines come from _base_/pipelines.
train_dataloader = dict(
    # How many photos of a class are in a batch is set by _base_/losses. 100 batches in an epoch.
    batch_sampler=dict(type='MPerClassBatchSampler', iterations=100),
    dataset=dict(subset='train'),
)
val_dataloader = dict(dataset=dict(subset='val'))
test_dataloader = dict(dataset=dict(subset='test'))
val_evaluator = dict(type='RetrievalMetric')
test_evaluator = dict(type='RetrievalMetric')
# The photos as they are, then five times with other backgrounds, which no training has seen.
test_cfg = dict(type='BackgroundTestLoop', bank='data/background_bank/bank_b.txt', repeats=5)

# What a -bgaug or -bgval config has more: other backgrounds in some subsets, in every epoch.
bgaug = dict(type='RembgDataset', bank='data/background_bank/bank_a.txt')
pair_hooks = [dict(type='DiffMetricsHook'), dict(type='DisjointBanksHook')]
