#!/usr/bin/env python
"""Train the model of any mmpretrain, mmdet or mmseg config, with or without background removal."""

from __future__ import annotations

import argparse
import os

from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

# Makes checkpoints loadable on torch >= 2.6 and registers the package's classes, also for configs
# that do not name it in `custom_imports`.
import bgremoval_mm  # noqa: F401
from bgremoval_mm.cli.errors import add_debug_argument, ending_in_one_line
from bgremoval_mm.engine.process_group import process_group
from bgremoval_mm.engine.run_config import add_common_arguments, build_train_config
from bgremoval_mm.utils.allocator import FOR_NETWORKS, keep_freed_memory


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of the training')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help="continue from a checkpoint, or without one from the work_dir's last",
    )
    parser.add_argument('--amp', action='store_true', help='use automatic mixed precision')
    parser.add_argument('--no-validate', action='store_true', help='do not validate meanwhile')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the real batch size over auto_scale_lr.base_batch_size',
    )
    add_common_arguments(parser)
    add_debug_argument(parser)
    return parser.parse_args()


@record  # so that torchrun's summary has the error of each process that failed
def main(args: argparse.Namespace) -> None:
    """Train."""
    keep_freed_memory(FOR_NETWORKS)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with ending_in_one_line('train.py', args.debug):
        cfg = build_train_config(args)
        group = process_group(cfg)
    with group:
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        runner.train()


if __name__ == '__main__':
    main(parse_args())
