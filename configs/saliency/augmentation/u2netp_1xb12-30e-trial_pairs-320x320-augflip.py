_base_ = './u2net_1xb12-30e-trial_pairs-320x320-augflip.py'

model = dict(arch='u2netp')
