#!/usr/bin/env python
"""Draw how accuracy grows with the number of training photos, with and without backgrounds.

    python tools/learning_curve.py runs --out learning_curve.png --csv learning_curve.csv

The runs are those of tools/reproduce.py with the option train_dataset.every=N, which takes one in N
training photos (docs/classification.md), each N in a root of its own; without it all photos count.

Mean over seeds and their range on the left, paired differences with their 95 % intervals on the
right. A table of the points is printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bgremoval_mm.cli.argument_types import at_least
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.script import (
    add_sheet_argument,
    run_script,
    script_parser,
)
from bgremoval_mm.experiments.papers import WORKS, load_work
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

_DATASET, _PHOTOS = 'clothing10', 3068


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = script_parser(__doc__)
    parser.add_argument('roots', nargs='+', type=Path, metavar='ROOT', help='folders of results')
    parser.add_argument('--work', default=WORKS[0], help=f'as in reproduce.py ({WORKS[0]})')
    parser.add_argument('--results', default='Open weights', metavar='ITEM', help='(Open weights)')
    parser.add_argument('--dataset', default=_DATASET, help=f'({_DATASET})')
    parser.add_argument('--models', nargs='+', default=[], help='by name (default: all)')
    parser.add_argument(
        '--variants',
        nargs='+',
        default=['original', 'rembg'],
        help='by name (default: original rembg)',
    )
    parser.add_argument(
        '--photos', type=at_least(1), help=f'training photos in all (of clothing10: {_PHOTOS})'
    )
    parser.add_argument('--partial', action='store_true', help='draw although points are missing')
    add_sheet_argument(parser, 'learning_curve.png')
    parser.add_argument('--csv', type=Path, metavar='FILE.csv', help='write the points as a table')
    args = parser.parse_args(argv)
    if args.photos is None:
        if args.dataset != _DATASET:
            parser.error(f'give --photos, the number of all training photos of {args.dataset}')
        args.photos = _PHOTOS
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the figure was drawn, 1 if not."""
    return run_script(draw, parse_args(argv), argv)


def draw(args: argparse.Namespace) -> int:
    """Draw the figure."""
    import pandas as pd

    from bgremoval_mm.experiments.report.learning_curve import collect_curves, curve_rows
    from bgremoval_mm.experiments.report.learning_figure import draw_curves
    from bgremoval_mm.experiments.report.results import read_results
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.canvas import save_sheet

    check_sheet(args.out, named=args.named)
    work = load_work(args.work)
    results = [result for root in args.roots for result in read_results(root)]
    curves = collect_curves(
        results, work, args.results, args.dataset, args.photos, args.models, args.variants
    )
    if curves.missing and not args.partial:
        msg = f'not run: {"; ".join(curves.missing)}. --partial draws the others'
        raise ArgumentError(msg)
    table = pd.DataFrame(curve_rows(curves))
    title = f'{work.datasets[args.dataset].title}: {args.results}'
    save_sheet(draw_curves(curves, title), args.out)
    if args.csv is not None:
        args.csv.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(args.csv, index=False)
    print(table.to_string(index=False))
    for each in curves.missing:
        print(f'not run: {each}')
    print(f'Look at {printable(args.out)}')
    return OK


if __name__ == '__main__':
    sys.exit(main())
