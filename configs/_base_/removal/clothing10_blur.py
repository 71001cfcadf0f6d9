# As clothing10.py, but the background is blurred, not removed.
_base_ = './clothing10.py'

rembg = dict(condition='blurred')
