_base_ = './inception-v3_in1k-pre_1xb32_luma.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
