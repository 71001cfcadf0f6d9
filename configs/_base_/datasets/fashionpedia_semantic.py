# Fashionpedia, 46 garments and parts of them, to be fetched by hand: docs/datasets.md
# The pipelines come from _base_/pipelines; the config of the experiment puts both together.
num_classes = 46  # the background is ignored, in loss and metric
dataset_type = 'FashionpediaSemantic'
data_root = 'data/fashionpedia'

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
test_dataloader = val_dataloader  # the test photos have no public annotations
val_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
