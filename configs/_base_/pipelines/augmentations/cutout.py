# A black square of a quarter of the side.
augmentation = dict(type='Cutout', shape=56, pad_val=0, prob=0.5)
