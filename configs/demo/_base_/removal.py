# What the -rembg config has more than the original: the masks of tools/demo.py.
rembg = dict(
    type='RembgDataset',
    model='u2netp',
    mask_dir='{{$BGREMOVAL_DEMO_ROOT:demo_out}}/masks',
    on_missing='error',
)
custom_hooks = [dict(type='DiffMetricsHook')]
