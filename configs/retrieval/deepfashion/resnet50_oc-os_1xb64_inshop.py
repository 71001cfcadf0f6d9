_base_ = ['./_base_/inshop.py', '../../_base_/models/resnet50_similarity.py']

model = dict(head=dict(num_classes=_base_.num_classes, triplets=('category',)))
