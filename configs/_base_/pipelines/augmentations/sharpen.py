# PIL's sharpness, factor 1.5.
augmentation = dict(type='Sharpness', magnitude=0.5, prob=0.5, random_negative_prob=0.0)
