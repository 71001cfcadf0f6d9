_base_ = [
    'mmpretrain::_base_/models/resnest101.py',
    '../../_base_/datasets/clothing10.py',
    '../../_base_/pipelines/resnest256.py',
    '../../_base_/schedules/sgd_cosine_300e.py',
    '../../_base_/classification_runtime.py',
]

model = dict(
    head=dict(
        num_classes=_base_.num_classes,
        loss=dict(num_classes=_base_.num_classes),
        topk=(1,),
    ),
    train_cfg=dict(probs=[0.0]),  # Mixup is off; [1.0] turns it on
)
data_preprocessor = dict(num_classes=_base_.num_classes)

# The paper's: batch 16, 300 epochs, SGD, this learning rate, cosine with warm-up.
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=6e-3))
