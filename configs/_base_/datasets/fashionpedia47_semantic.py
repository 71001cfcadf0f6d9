# Fashionpedia with the background as a class of its own, the 47th. Its label maps:
#   python tools/prepare_dataset.py fashionpedia data/fashionpedia --label-maps --with-background
_base_ = './fashionpedia_semantic.py'

num_classes = 47

train_dataloader = dict(dataset=dict(with_background=True))
val_dataloader = dict(dataset=dict(with_background=True))
test_dataloader = dict(dataset=dict(with_background=True))
