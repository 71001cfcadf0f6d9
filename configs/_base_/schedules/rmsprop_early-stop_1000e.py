# Kobs and Hotho: RMSprop, a small learning rate, until MAP@R on validation has not risen for 15
# epochs. A loss with proxies has its own learning rate:
#     optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'head.loss_module': dict(lr=1e-2)}))
optim_wrapper = dict(optimizer=dict(type='RMSprop', lr=1e-6, weight_decay=1e-4, momentum=0.9))
train_cfg = dict(by_epoch=True, max_epochs=1000, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=32)

custom_hooks = [
    dict(type='FreezeBatchNormHook'),
    dict(
        type='EarlyStoppingHook',
        monitor='retrieval/MAP@R',
        rule='greater',
        patience=15,
        min_delta=0,
    ),
]
