_base_ = './loaders.py'

# Loaders of DeepFashion's benchmarks. A file that inherits from this one names photos and metrics.
train_dataloader = dict(batch_size=64)
val_dataloader = dict(batch_size=64)
test_dataloader = dict(batch_size=64)
