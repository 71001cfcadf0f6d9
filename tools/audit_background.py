#!/usr/bin/env python
"""Show how much a trained model looks at the background.

Evaluates it on the same test photos as they are, with the background removed, replaced by those of
other photos, blurred, and with the background only. Any config of mmpretrain, mmdet or
mmsegmentation with its checkpoint will do; nothing is trained, and the config stays as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

from mmengine.config import DictAction

import bgremoval_mm  # noqa: F401  # registers the package's classes
from bgremoval_mm.analysis.background_audit.summary import Audit, ConditionScores, as_text
from bgremoval_mm.cli import console
from bgremoval_mm.cli.errors import OK, OPENMMLAB, add_debug_argument, guarded
from bgremoval_mm.datasets.transforms.change_background import Condition
from bgremoval_mm.engine.run_config import read_config
from bgremoval_mm.removal import CATALOGUE
from bgremoval_mm.removal.io.targets import check_report
from bgremoval_mm.removal.options import PRECISIONS
from bgremoval_mm.utils.json_io import read_json, write_json
from bgremoval_mm.utils.text import printable

CONDITIONS = get_args(Condition)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    parser.add_argument(
        '--draws', type=int, default=5, help='how often other backgrounds are drawn (default: 5)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the first draw (default: 0)')
    parser.add_argument(
        '--number', type=int, help='how many test photos, evenly chosen (default: all)'
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
        '--model', choices=list(CATALOGUE), help="that makes the masks (default: the config's)"
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
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change settings of the config, such as test_dataloader.batch_size=64',
    )
    add_debug_argument(parser)
    args = parser.parse_args(argv)
    for name, least in (('draws', 1), ('seed', 0), ('number', 2)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f'--{name} must be {least} or more, but got {value}')
    if args.out is None:
        args.out = Path('work_dirs') / args.config.stem / 'audit'
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the audit is complete, 1 if not, 130 if interrupted."""
    args = parse_args(argv)
    console.prepare(own_process=argv is None)
    # mmengine's, once for every config that is read.
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    return guarded(lambda: report(args), args.debug, OPENMMLAB)


def report(args: argparse.Namespace) -> int:
    """Audit, and print the table."""
    audit = run_audit(args)
    print(as_text(audit))
    out = printable(args.out)
    print(f'Look at {out}/audit.png; all figures are in {out}/audit.json')
    return OK


def run_audit(args: argparse.Namespace) -> Audit:
    """Evaluate what an earlier audit of the same settings has not, and write the results."""
    from bgremoval_mm.analysis.background_audit.evaluate import Auditor
    from bgremoval_mm.analysis.background_audit.picture import draw_audit, example_photos
    from bgremoval_mm.visualization.canvas import save_png

    config = read_config(args.config, args.cfg_options)
    if not args.checkpoint.is_file():
        msg = f'there is no checkpoint {args.checkpoint}'
        raise FileNotFoundError(msg)
    check_report(args.out / 'audit.json', args.out / 'audit.png', ('settings', 'outcomes'))
    names = ('mask_dir', 'img_root', 'model', 'precision', 'calibration', 'accept_licence')
    removal = {name: getattr(args, name) for name in names}
    own_masks = str(args.out / 'masks')
    with Auditor(config, args.checkpoint, args.out, removal, args.number, own_masks) as auditor:
        status = args.checkpoint.stat()
        settings: dict[str, Any] = {
            'config': str(args.config),
            'checkpoint': str(args.checkpoint),
            'checkpoint_bytes': status.st_size,
            'checkpoint_mtime_ns': status.st_mtime_ns,
            'cfg_options': args.cfg_options or {},
            'model': auditor.changes[0].model,
            'removal': [change.settings() for change in auditor.changes],
            'seed': args.seed,
            'draws': args.draws,
            'number': args.number,
        }
        settings = json.loads(json.dumps(settings))  # as they are read back from audit.json
        audit = load_earlier(args.out / 'audit.json', settings) or Audit(
            settings, auditor.trained_on, len(auditor)
        )
        for condition in args.conditions:
            if condition in audit.outcomes:
                print(f'{condition}: evaluated before')
                continue
            draws, classes = [], []
            for draw in range(args.draws if condition == 'replaced' else 1):
                metrics, of_classes = auditor.evaluate(condition, args.seed + draw)
                draws.append(metrics)
                classes.append(of_classes)
            audit.outcomes[condition] = ConditionScores(condition, draws, mean_of(classes))
            write_json(args.out / 'audit.json', audit.as_json())
        in_order = [name for name in CONDITIONS if name in audit.outcomes]
        audit.outcomes = {name: audit.outcomes[name] for name in in_order}
        write_json(args.out / 'audit.json', audit.as_json())
        save_png(draw_audit(audit, example_photos(auditor, in_order)), args.out / 'audit.png')
    return audit


def load_earlier(file: Path, settings: dict[str, Any]) -> Audit | None:
    """Read an earlier audit of the same settings, complete or not."""
    content = read_json(file)
    if content is None or content.get('settings') != settings:
        return None
    return Audit.from_json(content)


def mean_of(classes: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Return the mean score of each class over draws."""
    means: dict[str, float | None] = {}
    for name in classes[0]:
        values = [each[name] for each in classes if each.get(name) is not None]
        means[name] = sum(values) / len(values) if values else None  # type: ignore[arg-type]
    return means


if __name__ == '__main__':
    sys.exit(main())
