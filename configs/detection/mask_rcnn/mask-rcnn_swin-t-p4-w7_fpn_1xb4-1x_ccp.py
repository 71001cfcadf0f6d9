_base_ = [
    '../../_base_/models/mask-rcnn_swin-t-p4-w7_fpn.py',
    '../../_base_/datasets/ccp_instance.py',
    '../../_base_/pipelines/detection512.py',
    '../../_base_/schedules/adamw_step_12e_swin.py',
    '../../_base_/detection_runtime.py',
]

model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=_base_.num_classes),
        mask_head=dict(num_classes=_base_.num_classes),
    )
)

# The paper's: 512 x 512, 12 epochs, AdamW, this learning rate, step.
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
