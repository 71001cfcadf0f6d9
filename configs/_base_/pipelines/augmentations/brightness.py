# Factor 0.8 or 1.2.
augmentation = dict(type='Brightness', magnitude=0.2, prob=0.5, random_negative_prob=0.5)
