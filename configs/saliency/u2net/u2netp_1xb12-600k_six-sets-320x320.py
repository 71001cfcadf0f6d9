_base_ = './u2net_1xb12-600k_six-sets-320x320.py'

model = dict(arch='u2netp')
