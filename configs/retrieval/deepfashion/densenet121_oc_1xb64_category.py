_base_ = ['./_base_/category.py', '../../_base_/models/densenet121_similarity.py']

model = dict(head=dict(num_classes=_base_.num_classes))
