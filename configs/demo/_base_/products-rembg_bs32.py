# The same pictures with their background removed by u2netp's stored masks.
_base_ = './products_bs32.py'

rembg = dict(
    type='RembgDataset',
    model='u2netp',
    mask_dir='{{$BGREMOVAL_DEMO_ROOT:demo_out}}/masks',
    on_missing='error',
)

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        dataset=_base_.train_dataloader.dataset,
        pipeline=_base_.train_pipeline,
        **rembg,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        dataset=_base_.val_dataloader.dataset,
        pipeline=_base_.test_pipeline,
        **rembg,
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        dataset=_base_.test_dataloader.dataset,
        pipeline=_base_.test_pipeline,
        **rembg,
    )
)
