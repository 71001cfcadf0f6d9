_base_ = [
    '../../_base_/models/u2net.py',
    '../../_base_/datasets/pairs.py',
    '../../_base_/pipelines/saliency320.py',
    '../../_base_/schedules/adam_poly_2k.py',
    '../../_base_/saliency_runtime.py',
]

# The authors' weights, by rembg's ONNX file; another file: --cfg-options model.pretrained=FILE
model = dict(pretrained='u2net')

train_dataloader = dict(
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(pipeline=_base_.train_pipeline),
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
default_hooks = dict(checkpoint=dict(interval=200))
