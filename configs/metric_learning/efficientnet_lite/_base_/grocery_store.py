_base_ = [
    '../../../_base_/datasets/grocery_store.py',
    '../../../_base_/models/efficientnet-lite0_embedding.py',
    '../../../_base_/pipelines/metric128.py',
    '../../../_base_/schedules/rmsprop_early-stop_1000e.py',
    '../../../_base_/metric_runtime.py',
]

model = dict(head=dict(num_classes=_base_.num_classes))
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
custom_hooks = [*_base_.custom_hooks, _base_.attention]
