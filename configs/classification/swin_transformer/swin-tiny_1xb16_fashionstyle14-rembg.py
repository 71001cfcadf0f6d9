_base_ = [
    'mmpretrain::_base_/models/swin_transformer/tiny_224.py',
    '../../_base_/datasets/fashionstyle14-rembg.py',
    '../../_base_/pipelines/swin224.py',
    '../../_base_/schedules/adamw_cosine_400e.py',
    '../../_base_/classification_runtime.py',
]

model = dict(
    head=dict(num_classes=_base_.num_classes, topk=(1,)),
    train_cfg=dict(probs=[0.0, 0.0]),  # Mixup and CutMix are off; [0.5, 0.5] turns them on
)
data_preprocessor = dict(num_classes=_base_.num_classes)

# The paper's: batch 16, 400 epochs, AdamW, this learning rate, cosine with warm-up.
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-4))

custom_hooks = [dict(type='DiffMetricsHook')]
