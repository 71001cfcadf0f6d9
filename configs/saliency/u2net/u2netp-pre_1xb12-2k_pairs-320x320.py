_base_ = './u2net-pre_1xb12-2k_pairs-320x320.py'

model = dict(arch='u2netp', pretrained='u2netp')
