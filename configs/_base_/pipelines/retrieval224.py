# Those of crop224.py; what shows which item is passed on to head and metric.
_base_ = './crop224.py'

pack = dict(type='PackInputs', algorithm_keys=('item_id', 'role'))
train_pipeline = [*_base_.train_pipeline[:-1], pack]
test_pipeline = [*_base_.test_pipeline[:-1], pack]
