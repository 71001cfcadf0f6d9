# 30 epochs, as in the published use of U2-Net for a catalogue; its optimiser is U2-Net's own.
_base_ = './adam_fixed_600k.py'

train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=30, val_interval=1)
