_base_ = './mobilenet-v2_in1k-pre_1xb32_luma.py'

num_classes = 3
task = dict(label='gender', metainfo=dict(classes=('men', 'unisex', 'women')))
model = dict(head=dict(num_classes=num_classes))
data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(dataset=task)
val_dataloader = dict(dataset=task)
test_dataloader = dict(dataset=task)
