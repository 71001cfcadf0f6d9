_base_ = './vgg-like_1xb32_luma.py'

# The person detector: whether a photo shows a person, who is class 1.
num_classes = 2
task = dict(label='person_in_photo', metainfo=dict(classes=('0', '1')))
model = dict(head=dict(_delete_=True, type='BinaryClsHead', in_channels=256))
data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(dataset=task)
val_dataloader = dict(dataset=task)
test_dataloader = dict(dataset=task)
