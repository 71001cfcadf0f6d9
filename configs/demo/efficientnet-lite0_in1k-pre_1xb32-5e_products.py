_base_ = [
    '../_base_/models/efficientnet-lite0_embedding.py',
    './_base_/products_bs32.py',
    './_base_/schedule_5e.py',
    './_base_/runtime.py',
    '../_base_/bgremoval_mm.py',
]

model = dict(
    head=dict(
        _delete_=True,
        type='LinearClsHead',
        num_classes=_base_.num_classes,
        in_channels=1280,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
        topk=(1,),
    ),
)
