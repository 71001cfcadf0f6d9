_base_ = './resnet50_mixup_1xb32_fashionstyle14.py'

model = dict(train_cfg=dict(augments=dict(type='CutMix', alpha=1.0)))
