_base_ = ['./_base_/inshop.py', '../../_base_/models/seresnet50_similarity.py']

model = dict(head=dict(num_classes=_base_.num_classes, triplets=('item',)))
train_dataloader = dict(batch_sampler=_base_.item_batches)
