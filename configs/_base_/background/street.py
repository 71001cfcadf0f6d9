_base_ = './luma.py'

# The street photos were made with bank B.
custom_hooks = [
    dict(type='DiffMetricsHook'),
    dict(type='DisjointBanksHook', tested='data/background_bank/bank_b.txt'),
]
