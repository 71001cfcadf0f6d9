# As clothing10.py, with the mean colour of ImageNet in place of black.
_base_ = './clothing10.py'

rembg = dict(fill='mean')
