#!/usr/bin/env python
"""Test the model of any mmpretrain, mmdet or mmseg config, with or without background removal."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.registry import METRICS, RUNNERS
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

# Makes checkpoints loadable on torch >= 2.6 and registers the package's classes, also for configs
# that do not name it in `custom_imports`.
import bgremoval_mm  # noqa: F401
from bgremoval_mm.cli.errors import add_debug_argument, ending_in_one_line
from bgremoval_mm.engine.hooks.conditions import conditions_of, write_conditions
from bgremoval_mm.engine.hooks.image_results import collect_per_image
from bgremoval_mm.engine.process_group import process_group
from bgremoval_mm.engine.run_config import add_common_arguments, build_test_config
from bgremoval_mm.utils.allocator import FOR_NETWORKS, keep_freed_memory
from bgremoval_mm.utils.json_io import write_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file of the model')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('--out', help='file for the metrics (.json) or the predictions (.pkl)')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument(
        '--wait-time', type=float, default=2, help='seconds that a window stays (default: 2)'
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='augment at test time, with tta_model and tta_pipeline of the config; '
        'classification has a horizontal flip as default',
    )
    add_common_arguments(parser)
    add_debug_argument(parser)
    return parser.parse_args()


@record  # so that torchrun's summary has the error of each process that failed
def main(args: argparse.Namespace) -> None:
    """Test."""
    keep_freed_memory(FOR_NETWORKS)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with ending_in_one_line('test.py', args.debug):
        cfg = build_test_config(args)
        group = process_group(cfg)
    with group:
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        wants_metrics = args.out is not None and Path(args.out).suffix == '.json'
        if args.out is not None and not wants_metrics:
            # mmdet's own dump encodes the masks, which are too large otherwise.
            kind = 'DumpDetResults' if cfg.get('default_scope') == 'mmdet' else 'DumpResults'
            dump = METRICS.build({'type': kind, 'out_file_path': args.out})
            runner.test_evaluator.metrics.append(dump)
        collect_per_image(runner)
        metrics = runner.test()
        if is_main_process():
            conditions = conditions_of(runner)
            write_conditions(runner, conditions)
            if wants_metrics:
                write_json(args.out, {**metrics, 'tta': True} if conditions.tta else metrics)


if __name__ == '__main__':
    main(parse_args())
