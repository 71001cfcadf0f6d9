#!/usr/bin/env python
"""Draw what the network of a config gets, the variants of a pair beside each other.

CONFIG is either variant, X.py or X-rembg.py; the other one is looked for beside it. Both get the
same samples and the same random numbers, so that crop, flip and colours are the same and only the
background differs. Pipeline, batches, normalisation, padding and (in training) batch augmentations
such as MixUp are the config's own; the normalisation is undone for the picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.registry import init_default_scope

import bgremoval_mm  # noqa: F401  # registers the package's classes
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.script import (
    add_config_options,
    add_number_argument,
    add_seed_argument,
    add_sheet_argument,
    run_script,
    script_parser,
)
from bgremoval_mm.engine.pairs import baseline_name, what_is_changed
from bgremoval_mm.engine.run_config import read_config
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable
from bgremoval_mm.visualization.browse import choose, find_other_config, options_of_pair
from bgremoval_mm.visualization.network_input import NetworkInput, View, is_wrapped


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = script_parser(__doc__)
    parser.add_argument('config', type=Path, help='config file of either variant')
    parser.add_argument('--subset', default='train', choices=['train', 'val', 'test'])
    add_number_argument(parser, '--number', 12, 'samples')
    add_seed_argument(parser, 'of the choice and of all random numbers')
    parser.add_argument(
        '--start', type=int, metavar='N', help='show samples N, N + 1 ... instead of a choice'
    )
    add_sheet_argument(parser, 'dataset.png', ['.png'])
    add_config_options(
        parser,
        'change settings of CONFIG, such as train_dataloader.dataset.on_missing=compute; the other '
        'variant gets what corresponds',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the sheet was drawn, 1 if not."""
    return run_script(browse, parse_args(argv), argv)


def browse(args: argparse.Namespace) -> int:
    """Draw the sheet."""
    from bgremoval_mm.removal.io.targets import check_sheet, photo_folders
    from bgremoval_mm.visualization.canvas import save_png
    from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

    variants = load_variants(args)
    counts = {len(variant) for variant in variants.values()}
    if len(counts) > 1:
        sizes = ', '.join(f'{name}: {len(variant)}' for name, variant in variants.items())
        msg = f'the two variants must have the same photos, but have different numbers: {sizes}'
        raise ArgumentError(msg)
    (count,) = counts
    for variant in variants.values():
        check_sheet(args.out, folders=photo_folders(variant.photos()), named=args.named)
    indices = choose(count, args.number, args.start, args.seed)
    views = [variant.views(indices, args.seed) for variant in variants.values()]
    tiles = [
        Tile([view.picture for view in sample], *caption(sample))
        for sample in zip(*views, strict=True)
    ]
    heading = (
        f'{args.config.stem}: {args.subset}',
        f'{len(tiles)} of {count:,} samples as the network gets them, seed {args.seed}',
    )
    save_png(draw_tiles(tiles, list(variants), heading, 8 // len(variants), side=1.7), args.out)
    print(f'Look at {printable(args.out)}')
    return OK


def load_variants(args: argparse.Namespace) -> dict[str, NetworkInput]:
    """Load the two configs of a pair, the original first; or the one that has no other."""
    first = read_config(args.config)
    path = find_other_config(args.config)
    options = args.cfg_options or {}
    if path is None:
        configs = {args.config: options}
        print('This config has no other config of a pair beside it; it is shown alone.')
    else:
        wrapped = [is_wrapped(cfg, args.subset) for cfg in (first, read_config(path))]
        configs = dict(zip((args.config, path), options_of_pair(options, *wrapped), strict=True))
    init_default_scope(first.get('default_scope', 'mmengine'))
    variants = {}
    for each in sorted(configs, key=lambda each: baseline_name(each.stem) is not None):
        cfg = read_config(each, configs[each])
        name = what_is_changed(each.stem) or 'original'
        variants[name if path else 'as the network gets it'] = NetworkInput(cfg, args.subset)
    return variants


def caption(sample: tuple[View, ...]) -> tuple[list[str], str]:
    """Return the lines below a sample, and what is odd about it."""
    view = sample[0]
    height, width = view.picture.shape[:2]
    size = f'{width} x {height} pixels'
    if view.photo_size is not None:
        size += ', photo {} x {}'.format(*view.photo_size)
    others = {other.path for other in sample} - {view.path}
    warning = f'the other variant shows {others.pop()}' if others else ''
    return [line for line in (view.label, view.path) if line] + [size], warning


if __name__ == '__main__':
    sys.exit(main())
