_base_ = ['./_base_/grocery_store.py', '../../_base_/losses/triplet.py']

# The hyper-parameters are those for Cars196.
model = dict(head=dict(loss=_base_.loss.cars196))
train_dataloader = dict(batch_sampler=dict(m=_base_.photos_per_class))
