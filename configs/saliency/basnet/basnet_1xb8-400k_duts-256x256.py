_base_ = [
    '../../_base_/models/basnet.py',
    '../../_base_/datasets/duts.py',
    '../../_base_/pipelines/saliency256.py',
    '../../_base_/schedules/adam_fixed_400k.py',
    '../../_base_/saliency_runtime.py',
]

train_dataloader = dict(batch_size=8, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
