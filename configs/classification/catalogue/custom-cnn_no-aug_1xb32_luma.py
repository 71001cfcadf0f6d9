_base_ = './custom-cnn_1xb32_luma.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
