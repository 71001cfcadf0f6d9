#!/usr/bin/env python
"""Draw the predictions of two trained models on the same photos, those of a pair, side by side.

One row per photo: its annotation, the prediction on the original, the prediction
without its background. Any mmdet (instances), mmsegmentation (label maps) or mmpretrain (classes)
configs with their checkpoints.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.config import Config
from tqdm import tqdm

import bgremoval_mm  # noqa: F401  # registers the package's classes
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.script import (
    add_number_argument,
    add_sheet_argument,
    run_script,
    script_parser,
)
from bgremoval_mm.engine.run_config import read_config
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = script_parser(__doc__)
    parser.add_argument('original', type=Path, help='config file of the original images')
    parser.add_argument('original_checkpoint', type=Path)
    parser.add_argument('rembg', type=Path, help='config file of the removed images')
    parser.add_argument('rembg_checkpoint', type=Path)
    parser.add_argument('--subset', default='test', choices=['val', 'test'])
    add_number_argument(parser, '--number', 6, 'photos, evenly spaced')
    parser.add_argument(
        '--images', nargs='+', metavar='NAME', help='these photos: ends of their paths'
    )
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='leave out less sure instances (default: 0.3)'
    )
    parser.add_argument(
        '--hide-photos',
        action='store_true',
        help='draw on grey, for publication where the photos must not be shown',
    )
    parser.add_argument('--device', default='cpu', help='cpu (default), cuda or cuda:N')
    add_sheet_argument(parser, 'predictions.png')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the sheet was drawn, 1 if not."""
    return run_script(compare, parse_args(argv), argv)


def compare(args: argparse.Namespace) -> int:
    """Draw the sheet."""
    from bgremoval_mm.removal.io.targets import check_sheet, photo_folders
    from bgremoval_mm.visualization.canvas import save_sheet
    from bgremoval_mm.visualization.prediction_sheet import draw_prediction_sheet
    from bgremoval_mm.visualization.predictions import Predictor, choose_photos

    configs = [read_config(args.original), read_config(args.rembg)]
    check_codebases(args, configs)
    checkpoints = (args.original_checkpoint, args.rembg_checkpoint)
    predictors = [
        Predictor(config, checkpoint, args.subset, args.score_thr, args.device)
        for config, checkpoint in zip(configs, checkpoints, strict=True)
    ]
    photos = (predictors[0].path(index) for index in range(len(predictors[0])))
    check_sheet(args.out, folders=photo_folders(photos), named=args.named)
    indices = choose_photos(predictors[0], args.number, args.images)
    for index in indices:
        paths = [each.path(index) if index < len(each) else 'nothing' for each in predictors]
        if len(set(paths)) > 1:
            msg = f'the two datasets differ: photo {index} is {paths[0]} and {paths[1]}'
            raise ArgumentError(msg)
    first, second = predictors
    if first.classes != second.classes:
        msg = f'the two datasets have other classes: {first.classes} and {second.classes}'
        raise ArgumentError(msg)
    pairs = [
        (first.show(index), second.show(index))
        for index in tqdm(indices, 'predicting', disable=None)
    ]
    heading = (args.original.stem, f'{args.subset}: {len(pairs)} of {len(predictors[0])} photos')
    sheet = draw_prediction_sheet(pairs, predictors[0].classes, heading, args.hide_photos)
    save_sheet(sheet, args.out)
    print(f'Look at {printable(args.out)}')
    return OK


def check_codebases(args: argparse.Namespace, configs: list[Config]) -> None:
    """Refuse configs that cannot be compared before models are built."""
    scopes = [config.get('default_scope') for config in configs]
    if scopes[0] != scopes[1]:
        msg = (
            f'both configs must be of one codebase, but {args.original} is of {scopes[0]} and '
            f'{args.rembg} of {scopes[1]}'
        )
        raise ArgumentError(msg)
    for checkpoint in (args.original_checkpoint, args.rembg_checkpoint):
        if not checkpoint.is_file():
            msg = f'there is no checkpoint {checkpoint}'
            raise FileNotFoundError(msg)


if __name__ == '__main__':
    sys.exit(main())
