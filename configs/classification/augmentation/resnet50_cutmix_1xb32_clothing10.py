_base_ = './resnet50_mixup_1xb32_clothing10.py'

model = dict(train_cfg=dict(augments=dict(type='CutMix', alpha=1.0)))
