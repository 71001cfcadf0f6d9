_base_ = ['./_base_/luma-street.py', '../../_base_/models/efficientnet-lite0_similarity.py']

model = dict(head=dict(num_classes=_base_.num_classes, triplets=('category',)))
