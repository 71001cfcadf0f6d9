# As clothing10.py, with hard edges.
_base_ = './clothing10.py'

rembg = dict(threshold=0.5)
