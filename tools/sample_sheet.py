#!/usr/bin/env python
"""Draw a sample of photos beside what removal makes of them (the paper's Fig. 1 and 2)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.cli import console
from bgremoval_mm.cli.errors import OK, add_debug_argument, guarded
from bgremoval_mm.removal import CATALOGUE, MaskStore, compose, read_image
from bgremoval_mm.utils.text import printable

_SIDE = 420


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', type=Path, help='SRC of tools/remove_background.py')
    parser.add_argument('masks', type=Path, help='DST of tools/remove_background.py')
    parser.add_argument('--model', default='u2net', choices=list(CATALOGUE))
    parser.add_argument(
        '--number', type=int, default=12, help='how many photos, evenly chosen (default: 12)'
    )
    parser.add_argument('--columns', type=int, default=4, help='pairs in a row (default: 4)')
    parser.add_argument(
        '--out',
        type=Path,
        help='the sheet, .png or .jpg (default: sample.png)',
    )
    add_debug_argument(parser)
    args = parser.parse_args(argv)
    for name in ('number', 'columns'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1, but got {getattr(args, name)}')
    args.named, args.out = args.out is not None, args.out or Path('sample.png')
    if args.out.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        parser.error(f'--out must end in .png or .jpg, but got {args.out}')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the sheet was drawn, 1 if not."""
    args = parse_args(argv)
    console.prepare(own_process=argv is None)
    return guarded(lambda: draw(args), args.debug)


def draw(args: argparse.Namespace) -> int:
    """Draw the sheet."""
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.canvas import save_jpeg, save_png
    from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

    store = MaskStore(args.masks, args.model)
    check_sheet(args.out, trees=[args.src], named=args.named)
    records = store.manifest.read().values()
    names = sorted(record.path for record in records if record.status == 'ok')
    if not names:
        msg = f'there are no masks in {store.folder}: python tools/remove_background.py'
        raise FileNotFoundError(msg)
    chosen = np.linspace(0, len(names) - 1, min(args.number, len(names))).round()
    tiles = []
    for name in (names[int(index)] for index in chosen):
        photo = read_image(args.src / name).rgb
        stored = store.get(name)
        if stored is None:
            msg = f'the mask of {name} is gone from {store.folder}'
            raise FileNotFoundError(msg)
        pictures = [small(photo), small(compose(photo, stored.full_size()))]
        tiles.append(Tile(pictures, [str(Path(name).parent).replace('.', '') or name]))
    heading = (f'{len(tiles)} of {len(names)} photos', f'background removed by {args.model}')
    sheet = draw_tiles(tiles, ('original', 'removed'), heading, columns=args.columns)
    (save_png if args.out.suffix.lower() == '.png' else save_jpeg)(sheet, args.out)
    print(f'Look at {printable(args.out)}')
    return OK


def small(pixels: np.ndarray) -> np.ndarray:
    """A picture of a size for the sheet."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    return np.asarray(picture)


if __name__ == '__main__':
    sys.exit(main())
