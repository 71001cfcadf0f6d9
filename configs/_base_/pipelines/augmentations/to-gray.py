# Three equal channels.
augmentation = dict(type='RandomGrayscale', prob=0.5, keep_channels=True)
