_base_ = [
    '../../../_base_/datasets/luma_street.py',
    '../../../_base_/pipelines/retrieval128.py',
    '../../../_base_/schedules/adam_step_200e.py',
    '../../../_base_/retrieval_runtime.py',
]

data_preprocessor = dict(num_classes=_base_.num_classes)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(photos, pipeline=_base_.test_pipeline)
            for photos in _base_.test_dataloader.dataset.datasets
        ]
    )
)
