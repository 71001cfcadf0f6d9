_base_ = [
    '../../_base_/models/upernet_swin-base.py',
    '../../_base_/datasets/ccp_semantic.py',
    '../../_base_/pipelines/segmentation512.py',
    '../../_base_/schedules/adamw_poly_20k.py',
    '../../_base_/segmentation_runtime.py',
]

model = dict(
    decode_head=dict(num_classes=_base_.num_classes),
    auxiliary_head=dict(num_classes=_base_.num_classes),
)

# The paper states nothing but the network: everything is in docs/defaults.md.
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
