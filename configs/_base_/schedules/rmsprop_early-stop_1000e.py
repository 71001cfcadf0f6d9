# Kobs and Hotho: RMSprop, a small learning rate, until MAP@R on validation has not risen for 15
# epochs. A loss with proxies has its own learning rate, in _base_/losses. The test is that of
# _base_/datasets/class_split.py.
optim_wrapper = dict(optimizer=dict(type='RMSprop', lr=1e-6, weight_decay=1e-4, momentum=0.9))
train_cfg = dict(by_epoch=True, max_epochs=1000, val_interval=1)
val_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=32)

custom_hooks = [
    dict(type='FreezeBatchNormHook'),
    dict(
        type='ResumableEarlyStoppingHook',
        monitor='retrieval/MAP@R',
        rule='greater',
        patience=15,
        min_delta=0,
    ),
]
