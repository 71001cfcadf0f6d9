# Levels above 128 are inverted.
augmentation = dict(type='Solarize', thr=128, prob=0.5)
