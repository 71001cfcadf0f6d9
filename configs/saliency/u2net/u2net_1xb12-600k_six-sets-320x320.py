# The training of u2net_1xb12-600k_duts-320x320.py, tested on the six sets of the paper. Scores are
# given by set, such as saliency/maxF/ECSSD; SaliencyFolders says how each set is laid out.
_base_ = './u2net_1xb12-600k_duts-320x320.py'

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type='SaliencyFolders',
                data_root=f'data/{folder}',
                layout=folder.rpartition('/')[2],
                cluster=folder.rpartition('/')[2],
                pipeline=_base_.test_pipeline,
            )
            for folder in ('duts/DUTS-TE', 'DUT-OMRON', 'HKU-IS', 'ECSSD', 'PASCAL-S', 'SOD')
        ],
    )
)
