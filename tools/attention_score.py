#!/usr/bin/env python
"""Measure how much of a trained network's attention lies on the object.

For each test photo, SmoothGrad saliency is compared with the foreground mask: 1 means that all
attention is on the object, 0 that it is spread evenly, a negative score that the network prefers
the background. Any classifier or embedding of mmpretrain; nothing is trained. With --compare a
second model is measured on the same photos, and the paired difference is printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import bgremoval_mm  # noqa: F401  # registers the package's classes
from bgremoval_mm.cli.argument_types import model_name
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.script import (
    add_config_options,
    add_number_argument,
    add_seed_argument,
    run_script,
    script_parser,
)
from bgremoval_mm.removal.options import PRECISIONS
from bgremoval_mm.utils.text import printable

# Options about the masks; None is what the config says.
MASKS = ('mask_dir', 'img_root', 'model', 'precision', 'on_missing')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = script_parser(__doc__)
    parser.add_argument('config', type=Path, help='config file of the model')
    parser.add_argument('checkpoint', type=Path, help='its checkpoint')
    parser.add_argument(
        '--compare',
        nargs=2,
        type=Path,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='another model ("after"), measured on the same photos as the first ("before")',
    )
    parser.add_argument(
        '--mask-dir', help="DST of tools/remove_background.py (default: the config's, if any)"
    )
    parser.add_argument(
        '--img-root', help="SRC of tools/remove_background.py (default: the dataset's data_root)"
    )
    parser.add_argument(
        '--model', type=model_name, help="that made the masks (default: the config's)"
    )
    parser.add_argument(
        '--precision', choices=PRECISIONS, help="of the masks (default: the config's, else fp32)"
    )
    parser.add_argument(
        '--on-missing',
        choices=('error', 'compute'),
        default='error',
        help='what to do where there is no mask of a photo (default: error)',
    )
    add_number_argument(parser, '--photos', None, 'test photos, evenly spaced')
    add_number_argument(parser, '--samples', 25, 'noisy copies of each photo')
    add_seed_argument(parser, 'of the noise')
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: a GPU if there is one)')
    parser.add_argument(
        '--out', type=Path, help='folder of the results (default: work_dirs/CONFIG/attention)'
    )
    add_config_options(
        parser, 'change settings of the configs, such as test_dataloader.dataset.data_root=DIR'
    )
    args = parser.parse_args(argv)
    if args.out is None:
        args.out = Path('work_dirs') / args.config.stem / 'attention'
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if all photos were measured, 1 if not, 130 if interrupted."""
    return run_script(report, parse_args(argv), argv)


def report(args: argparse.Namespace) -> int:
    """Measure, print, and write the results."""
    from mmengine.device import get_device

    from bgremoval_mm.analysis.attention.measure import AttentionRun, measure_runs
    from bgremoval_mm.analysis.attention.results import write_results
    from bgremoval_mm.engine.run_config import read_config
    from bgremoval_mm.evaluation.smooth_grad import SmoothGrad
    from bgremoval_mm.removal.io.targets import check_report

    models = [(args.config, args.checkpoint), *([args.compare] if args.compare else [])]
    for _, checkpoint in models:
        if not checkpoint.is_file():
            msg = f'there is no checkpoint {checkpoint}'
            raise FileNotFoundError(msg)
    check_report(args.out / 'summary.json', args.out / 'attention.png', ('settings', 'models'))
    masks = {name: getattr(args, name) for name in MASKS}
    settings = SmoothGrad(args.samples)
    device = args.device or get_device()
    runs = [
        AttentionRun(
            config.stem,
            read_config(config, args.cfg_options),
            checkpoint,
            masks,
            settings,
            args.seed,
            device,
        )
        for config, checkpoint in models
    ]
    measure_runs(runs, args.photos)
    about = {
        'checkpoints': [str(checkpoint) for _, checkpoint in models],
        'configs': [str(config) for config, _ in models],
        'cfg_options': args.cfg_options or {},
        'masks': masks,
        'samples': args.samples,
        'noise': settings.noise,
        'seed': args.seed,
    }
    summary = write_results(runs, args.out, about)
    for each in summary['models']:
        print(f'{printable(each["name"])}: {line(each, "score")}, {spread(each)}')
    if summary['difference'] is not None:
        difference = summary['difference']
        print(
            f'difference, after minus before: {line(difference, "difference")}, '
            f'{difference["photos"]:,} photos with both scores'
        )
    out = printable(args.out)
    picture = f'Look at {out}/attention.png; a' if (args.out / 'attention.png').exists() else 'A'
    print(f'{picture}ll figures are in {out}/scores.csv and {out}/summary.json')
    return OK


def line(figures: dict[str, Any], name: str) -> str:
    """Return a mean and its interval in words."""
    if figures[name] is None:
        return 'undefined for all photos'
    if figures['low'] is None:
        return f'{figures[name]:.4f}'
    return f'{figures[name]:.4f}, 95 % interval [{figures["low"]:.4f}, {figures["high"]:.4f}]'


def spread(figures: dict[str, Any]) -> str:
    """Return the standard deviation and the numbers of photos in words."""
    std = '' if figures['std'] is None else f'standard deviation {figures["std"]:.4f}, '
    return f'{std}{figures["photos"]:,} photos, {figures["undefined"]:,} undefined'


if __name__ == '__main__':
    sys.exit(main())
