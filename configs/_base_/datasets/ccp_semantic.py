# Clothing Co-Parsing, 58 labels, 1,004 street photos: python tools/prepare_dataset.py ccp
# The pipelines come from _base_/pipelines; the config of the experiment puts both together.
num_classes = 58  # the background is ignored, in loss and metric
dataset_type = 'CCPSemantic'
data_root = 'data/ccp'

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, subset='train'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, subset='val'),
)
test_dataloader = val_dataloader  # there are two subsets
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
