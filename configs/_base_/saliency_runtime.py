_base_ = './segmentation_runtime.py'

default_hooks = dict(checkpoint=dict(save_best='saliency/IoU'))
tta_model = dict(type='SaliencyTTAModel')
