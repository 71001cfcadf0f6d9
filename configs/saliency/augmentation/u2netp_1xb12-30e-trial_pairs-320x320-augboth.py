_base_ = './u2net_1xb12-30e-trial_pairs-320x320-augboth.py'

model = dict(arch='u2netp')
