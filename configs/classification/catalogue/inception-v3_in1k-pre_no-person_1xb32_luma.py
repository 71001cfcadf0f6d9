_base_ = './inception-v3_in1k-pre_1xb32_luma.py'

# Photos without a person only. In this shop all garments are worn: three categories are left.
num_classes = 3
where = dict(person_in_photo=0)
metainfo = dict(classes=('Bags', 'Fitness Equipment', 'Watches'))
model = dict(backbone=dict(num_classes=num_classes))
data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(dataset=dict(where=where, metainfo=metainfo))
val_dataloader = dict(dataset=dict(where=where, metainfo=metainfo))
test_dataloader = dict(dataset=dict(where=where, metainfo=metainfo))
