# Logs to MLflow, too, which is not installed with this package: pip install mlflow
# Where to: --cfg-options visualizer.vis_backends.1.tracking_uri=http://HOST:5000
_base_ = './u2net_1xb12-30e_pairs-320x320.py'

visualizer = dict(
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(type='MLflowVisBackend', exp_name='u2net_pairs'),
    ]
)
