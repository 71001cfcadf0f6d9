_base_ = [
    '../../_base_/models/mask-rcnn_r50_fpn_foreground.py',
    '../../_base_/datasets/pairs.py',
    '../../_base_/pipelines/instance320.py',
    '../../_base_/schedules/sgd_step_30e.py',
    '../../_base_/detection_runtime.py',
]

train_dataloader = dict(
    persistent_workers=False,  # EpochSeedHook seeds the workers of each epoch
    dataset=dict(type='PairsInstances', pipeline=_base_.train_pipeline),
)
val_dataloader = dict(dataset=dict(type='PairsInstances', pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(type='PairsInstances', pipeline=_base_.test_pipeline))
default_hooks = dict(checkpoint=dict(save_best='saliency/IoU'))
