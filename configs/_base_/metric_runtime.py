_base_ = './classification_runtime.py'

default_hooks = dict(checkpoint=dict(save_best='retrieval/MAP@R'))
