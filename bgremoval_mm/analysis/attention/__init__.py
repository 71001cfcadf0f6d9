"""Attention scores of one trained model, or of two on the same photos.

measure   a config and its checkpoint, measured photo by photo
figures   means, intervals, paired differences, and the table of all photos
results   the files of figures, and the picture of examples
"""
