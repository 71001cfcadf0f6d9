# Four bits a channel stay.
augmentation = dict(type='Posterize', bits=4, prob=0.5)
