_base_ = [
    '../../_base_/models/efficientnet-lite0_classifier.py',
    '../../_base_/datasets/clothing10.py',
    '../../_base_/pipelines/crop224.py',
    '../../_base_/schedules/adamw_cosine_15e.py',
    '../../_base_/classification_runtime.py',
]

model = dict(head=dict(num_classes=_base_.num_classes))
# Pixels from -1 to 1, as the network was trained with.
data_preprocessor = dict(
    num_classes=_base_.num_classes, mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]
)

train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
