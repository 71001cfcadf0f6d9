_base_ = ['./_base_/consumer2shop.py', '../../_base_/models/resnet50_similarity.py']

model = dict(head=dict(num_classes=_base_.num_classes, triplets=('item',)))
train_dataloader = dict(batch_sampler=_base_.item_batches)
