#!/usr/bin/env python
"""Show how much a trained model looks at the background.

Evaluates it on the same test photos as they are, with the background removed, replaced by those of
other photos, blurred, and with the background only. Any config of mmpretrain, mmdet or
mmsegmentation with its checkpoint will do; nothing is trained, and the config stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

import bgremoval_mm  # noqa: F401  # registers the package's classes
from bgremoval_mm.analysis.background_audit.text import as_text
from bgremoval_mm.cli.argument_types import model_name
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.script import (
    add_config_options,
    add_number_argument,
    add_seed_argument,
    run_script,
    script_parser,
)
from bgremoval_mm.datasets.transforms.change_background import Condition
from bgremoval_mm.removal.options import PRECISIONS
from bgremoval_mm.utils.text import printable

CONDITIONS = get_args(Condition)
# Options about the removal; None is what the config says.
REMOVAL = ('mask_dir', 'img_root', 'model', 'precision', 'calibration', 'accept_licence')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = script_parser(__doc__)
    parser.add_argument('config', type=Path, help='config file of the model')
    parser.add_argument('checkpoint', type=Path, help='its checkpoint')
    parser.add_argument(
        '--conditions',
        nargs='+',
        choices=CONDITIONS,
        default=list(CONDITIONS),
        metavar='NAME',
        help=f'of {", ".join(CONDITIONS)} (default: all)',
    )
    add_number_argument(parser, '--draws', 5, 'how often other backgrounds are drawn')
    add_seed_argument(parser, 'of the first draw')
    add_number_argument(parser, '--number', None, 'test photos, evenly spaced', least=2)
    parser.add_argument(
        '--bank',
        nargs='+',
        metavar='PATH',
        help="folders or list files of photos without a foreground, for 'replaced' (default: the "
        'backgrounds of other test photos)',
    )
    parser.add_argument(
        '--mask-dir',
        help='mask store, which is only read: masks that it lacks are kept in OUT/masks (default: '
        'the one that the config names, if any)',
    )
    parser.add_argument(
        '--img-root', help="SRC of tools/remove_background.py (default: the dataset's data_root)"
    )
    parser.add_argument(
        '--model', type=model_name, help="that makes the masks (default: the config's)"
    )
    parser.add_argument(
        '--precision', choices=PRECISIONS, help="of the masks (default: the config's, else fp32)"
    )
    parser.add_argument(
        '--calibration', metavar='DIR', help='photos that --precision int8 is calibrated with'
    )
    parser.add_argument(
        '--accept-licence',
        action='store_true',
        default=None,  # as the config has it
        help='accept weights whose licence forbids commercial use',
    )
    parser.add_argument(
        '--out', type=Path, help='folder of the results (default: work_dirs/CONFIG/audit)'
    )
    add_config_options(
        parser, 'change settings of the config, such as test_dataloader.batch_size=64'
    )
    args = parser.parse_args(argv)
    if args.out is None:
        args.out = Path('work_dirs') / args.config.stem / 'audit'
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the audit is complete, 1 if not, 130 if interrupted."""
    return run_script(report, parse_args(argv), argv)


def report(args: argparse.Namespace) -> int:
    """Audit, and print the table."""
    from bgremoval_mm.analysis.background_audit.run import run_audit

    removal = {name: getattr(args, name) for name in REMOVAL}
    audit = run_audit(
        args.config,
        args.checkpoint,
        args.out,
        conditions=args.conditions,
        draws=args.draws,
        seed=args.seed,
        number=args.number,
        removal=removal,
        cfg_options=args.cfg_options,
        bank=args.bank,
    )
    print(as_text(audit))
    out = printable(args.out)
    print(f'Look at {out}/audit.png; all figures are in {out}/audit.json')
    return OK


if __name__ == '__main__':
    sys.exit(main())
