_base_ = ['../resnet/resnet50_1xb32_clothing10-rembg.py']

# Of whole batches, after the pipeline; the loss takes shares of classes.
model = dict(
    train_cfg=dict(augments=dict(type='CutMix', alpha=1.0)),
    head=dict(loss=dict(type='CrossEntropyLoss', use_soft=True, loss_weight=1.0)),
)
