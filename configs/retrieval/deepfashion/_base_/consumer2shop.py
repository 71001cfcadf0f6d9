_base_ = [
    '../../../_base_/datasets/deepfashion_consumer2shop.py',
    '../../../_base_/pipelines/retrieval224.py',
    '../../../_base_/schedules/adam_step_200e.py',
    '../../../_base_/retrieval_runtime.py',
]

data_preprocessor = dict(num_classes=_base_.num_classes)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
