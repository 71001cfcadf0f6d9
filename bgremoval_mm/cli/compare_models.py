"""`bgremoval compare-models`: which of several models is better on pairs of photo and mask."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli import console, signals
from bgremoval_mm.cli.argument_types import at_least, model_name
from bgremoval_mm.cli.arguments import add_engine_arguments, options_of
from bgremoval_mm.cli.errors import FAILED, OK, add_debug_argument, writing_to
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.analysis.model_comparison.compare import ModelComparison
    from bgremoval_mm.analysis.model_comparison.pairs import ComparedPairs

__all__ = ['add_comparison_arguments', 'run_comparison']


def add_comparison_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the pairs, the models, and what is written."""
    parser.add_argument('photos', nargs='?', type=Path, help='folder of photos, at any depth')
    parser.add_argument(
        'masks', nargs='?', type=Path, help='folder of masks by people, with the same names'
    )
    parser.add_argument(
        '--models',
        nargs='+',
        required=True,
        type=model_name,
        metavar='MODEL',
        help='two or more names that `bgremoval models` lists, or .onnx files; the first is the '
        'one that the others are compared with',
    )
    parser.add_argument(
        '--manifest',
        type=Path,
        metavar='FILE.csv',
        help='pairs of `bgremoval pairs check`, in place of PHOTOS and MASKS',
    )
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), help='of the manifest (default: all)'
    )
    parser.add_argument(
        '--mask-suffix',
        metavar='TEXT',
        help='what names of MASKS have before the file suffix, such as _mask',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('comparison'),
        metavar='DIR',
        help='folder for scores.csv, comparison.json, comparison.md and worst.png, and for the '
        "models' masks (default: comparison)",
    )
    parser.add_argument(
        '--scores', nargs='+', metavar='SCORE', help='such as IoU MAE (default: all)'
    )
    parser.add_argument(
        '--number',
        type=at_least(0),
        default=8,
        help='worst photos of each model on the sheet (default: 8; 0: no sheet)',
    )
    parser.add_argument(
        '--speed-photos',
        type=at_least(0),
        default=20,
        metavar='N',
        help='photos that the speed is measured on (default: 20; 0: do not)',
    )
    parser.add_argument(
        '--workers',
        type=at_least(1),
        metavar='N',
        help='processes that score (default: one a core)',
    )
    add_engine_arguments(parser)
    add_debug_argument(parser)


def run_comparison(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Compare and write; return 1 if photos were left out."""
    _check(parser, args)
    from bgremoval_mm.analysis.model_comparison import report
    from bgremoval_mm.analysis.model_comparison.compare import (
        check_models,
        check_scores,
        compare_models,
    )
    from bgremoval_mm.removal.io.targets import check_report
    from bgremoval_mm.utils.atomic import write_atomically
    from bgremoval_mm.utils.json_io import write_json

    figures, picture = args.out / 'comparison.json', args.out / 'worst.png'
    scores, page = args.out / 'scores.csv', args.out / 'comparison.md'
    check_models(args.models)
    check_scores(args.scores)
    check_report(figures, picture, report.KEYS, (scores, page))
    if args.number:  # imported before the work, so that a missing matplotlib is told at once
        from bgremoval_mm.visualization import canvas  # noqa: F401
    engine, _, _ = options_of(args)
    with signals.raised():
        comparison = compare_models(
            _pairs(args),
            args.models,
            args.out / 'masks',
            engine,
            scores=args.scores,
            speed_photos=args.speed_photos,
            workers=args.workers,
        )
        text = report.as_markdown(comparison)
        with writing_to(str(args.out)):
            args.out.mkdir(parents=True, exist_ok=True)
            write_json(figures, report.as_json(comparison))
            write_atomically(scores, report.as_csv(comparison))
            write_atomically(page, text.encode())
            if args.number:
                _draw(comparison, picture, args.number)
    print(console.escape_lines(text))
    print(
        f'Written to {printable(args.out)}'
        + (f'; look at {printable(picture)}' if args.number else '')
    )
    if comparison.left_out:
        print(f'{len(comparison.left_out):,} left out', file=sys.stderr)
    return FAILED if comparison.left_out else OK


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if args.manifest is not None and args.photos is not None:
        parser.error('--manifest names the photos and masks: leave out PHOTOS and MASKS')
    if args.manifest is None and args.masks is None:
        parser.error('give PHOTOS and MASKS, or --manifest')
    if args.split is not None and args.manifest is None:
        parser.error('--split goes with --manifest only')
    if args.mask_suffix is not None and args.manifest is not None:
        parser.error('--mask-suffix goes with PHOTOS and MASKS, not with --manifest')
    if args.calibration is not None and args.precision != 'int8':
        parser.error('--calibration goes with --precision int8 only')


def _pairs(args: argparse.Namespace) -> ComparedPairs:
    from bgremoval_mm.analysis.model_comparison.pairs import pairs_of_folders, pairs_of_manifest
    from bgremoval_mm.removal.errors import ArgumentError
    from bgremoval_mm.removal.io.addresses import lies_in

    if args.manifest is not None:
        return pairs_of_manifest(args.manifest, args.split)
    for folder in (args.photos, args.masks):
        if lies_in(args.out.resolve(), folder):
            msg = (
                f'--out must lie outside the photos and masks, but {printable(args.out)} is in '
                f'{printable(folder)}'
            )
            raise ArgumentError(msg)
    return pairs_of_folders(args.photos, args.masks, args.mask_suffix or '', args.workers)


def _draw(comparison: ModelComparison, picture: Path, number: int) -> None:
    from bgremoval_mm.analysis.model_comparison.report import main_score
    from bgremoval_mm.analysis.model_comparison.sheet import draw_worst
    from bgremoval_mm.visualization.canvas import save_png

    save_png(draw_worst(comparison, main_score(comparison), number), picture)
