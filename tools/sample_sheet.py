#!/usr/bin/env python
"""Draw a sample of photos beside what removal makes of them (the paper's Fig. 1 and 2)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.cli.argument_types import model_name
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.script import (
    add_number_argument,
    add_sheet_argument,
    read_pixels,
    run_script,
    script_parser,
)
from bgremoval_mm.removal import MaskStore, compose
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.sampling import evenly_spaced
from bgremoval_mm.utils.text import printable

_SIDE = 420


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = script_parser(__doc__)
    parser.add_argument('src', type=Path, help='SRC of tools/remove_background.py')
    parser.add_argument('masks', type=Path, help='DST of tools/remove_background.py')
    parser.add_argument('--model', default='u2net', type=model_name)
    add_number_argument(parser, '--number', 12, 'photos, evenly spaced')
    add_number_argument(parser, '--columns', 4, 'pairs in a row')
    add_sheet_argument(parser, 'sample.png')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the sheet was drawn, 1 if not."""
    return run_script(draw, parse_args(argv), argv)


def draw(args: argparse.Namespace) -> int:
    """Draw the sheet."""
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.canvas import save_sheet
    from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

    store = MaskStore(args.masks, args.model)
    check_sheet(args.out, trees=[args.src], named=args.named)
    records = store.manifest.read().values()
    names = sorted(record.path for record in records if record.status == 'ok')
    if not names:
        msg = f'there are no masks in {store.folder}: python tools/remove_background.py'
        raise FileNotFoundError(msg)
    tiles = []
    for name in evenly_spaced(names, args.number):
        photo = read_pixels(args.src / name)
        stored = store.get(name)
        if stored is None:
            msg = f'the mask of {name} is gone from {store.folder}'
            raise FileNotFoundError(msg)
        if stored.size != (photo.shape[1], photo.shape[0]):
            msg = f'{args.src / name} has changed since its mask was made: make the mask again'
            raise ArgumentError(msg)
        pictures = [small(photo), small(compose(photo, stored.full_size()))]
        folder = Path(name).parent
        tiles.append(Tile(pictures, [str(folder) if folder.name else name]))
    heading = (f'{len(tiles)} of {len(names)} photos', f'background removed by {store.spec.name}')
    sheet = draw_tiles(tiles, ('original', 'removed'), heading, columns=args.columns)
    save_sheet(sheet, args.out)
    print(f'Look at {printable(args.out)}')
    return OK


def small(pixels: np.ndarray) -> np.ndarray:
    """Scale a picture to the size of the sheet's pictures."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    return np.asarray(picture)


if __name__ == '__main__':
    sys.exit(main())
