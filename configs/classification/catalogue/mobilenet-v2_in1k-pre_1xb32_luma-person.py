_base_ = './mobilenet-v2_in1k-pre_1xb32_luma.py'

# Whether a photo shows a person, who is class 1.
num_classes = 2
task = dict(label='person_in_photo', metainfo=dict(classes=('0', '1')))
model = dict(head=dict(_delete_=True, type='BinaryClsHead', in_channels=1280))
data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(dataset=task)
val_dataloader = dict(dataset=task)
test_dataloader = dict(dataset=task)
