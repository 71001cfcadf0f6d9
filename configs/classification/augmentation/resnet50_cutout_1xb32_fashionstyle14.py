_base_ = [
    '../resnet/resnet50_1xb32_fashionstyle14.py',
    '../../_base_/pipelines/augmentations/cutout.py',
]

# After crop and flip, before packing.
*steps, pack = _base_.train_pipeline
train_dataloader = dict(dataset=dict(pipeline=[*steps, _base_.augmentation, pack]))
