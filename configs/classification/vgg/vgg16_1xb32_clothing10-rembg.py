_base_ = [
    'mmpretrain::_base_/models/vgg16.py',
    '../../_base_/datasets/clothing10-rembg.py',
    '../../_base_/pipelines/crop224.py',
    '../../_base_/schedules/sgd_step_100e.py',
    '../../_base_/classification_runtime.py',
]

model = dict(
    backbone=dict(num_classes=_base_.num_classes),
    head=dict(topk=(1,)),
)
data_preprocessor = dict(num_classes=_base_.num_classes)

# The paper's: batch 32, 100 epochs, SGD, this learning rate, step schedule.
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=0.01))

custom_hooks = [dict(type='DiffMetricsHook')]
