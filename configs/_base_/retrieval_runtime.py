_base_ = './classification_runtime.py'

# The last checkpoint is tested: In-Shop has no photos for validation, on which one could be chosen.
default_hooks = dict(checkpoint=dict(interval=10, save_best=None))
