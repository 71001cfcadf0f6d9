_base_ = [
    '../../_base_/models/mask-rcnn_x101-32x4d_fpn.py',
    '../../_base_/datasets/ccp_instance-rembg.py',
    '../../_base_/pipelines/detection512.py',
    '../../_base_/schedules/sgd_step_12e.py',
    '../../_base_/detection_runtime.py',
]

model = dict(
    roi_head=dict(
        bbox_head=dict(num_classes=_base_.num_classes),
        mask_head=dict(num_classes=_base_.num_classes),
    )
)

# The paper's: 512 x 512, batch 4, 12 epochs, SGD, this learning rate, step with warm-up.
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=2e-2))

custom_hooks = [dict(type='DiffMetricsHook')]
