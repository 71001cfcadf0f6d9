# Histograms of the channels are made flat.
augmentation = dict(type='Equalize', prob=0.5)
