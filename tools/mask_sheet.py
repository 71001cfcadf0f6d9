#!/usr/bin/env python
"""Show the least trustworthy masks of a mask store: a list, and a contact sheet of pictures.

Flagged masks come first (constant, empty, full), then those that the network was least sure of.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bgremoval_mm.cli import console
from bgremoval_mm.cli.errors import OK, add_debug_argument, guarded
from bgremoval_mm.removal import CATALOGUE, MaskStore
from bgremoval_mm.removal.review.ranking import read_ranking
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('masks', type=Path, help='DST of tools/remove_background.py')
    parser.add_argument('images', type=Path, help='SRC of tools/remove_background.py')
    parser.add_argument('--model', default='u2net', choices=list(CATALOGUE))
    parser.add_argument(
        '--number', type=int, default=50, help='how many masks are listed and drawn (default: 50)'
    )
    parser.add_argument('--out', type=Path, help='the sheet (default: masks.png)')
    parser.add_argument(
        '--list',
        type=Path,
        metavar='FILE.csv',
        help='write the whole ranking, and the images that failed, as a table',
    )
    add_debug_argument(parser)
    args = parser.parse_args(argv)
    args.named, args.out = args.out is not None, args.out or Path('masks.png')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if the sheet was drawn, 1 if not."""
    args = parse_args(argv)
    console.prepare(own_process=argv is None)
    return guarded(lambda: draw(args), args.debug)


def draw(args: argparse.Namespace) -> int:
    """Draw the sheet, and print the list."""
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.mask_sheet import check_table, write_mask_sheet

    ranking = read_ranking(args.masks, args.model)
    store = MaskStore(args.masks, args.model, ranking.precision)
    check_sheet(args.out, named=args.named)
    if args.list is not None:
        check_table(args.list, store, args.images)
    write_mask_sheet(args.out, ranking, store, args.images, args.number)
    if args.list is not None:
        args.list.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(args.list, ranking.as_csv().encode(errors='surrogateescape'))
    print(console.escape_lines(ranking.as_text(args.number)))
    print(f'\nLook at  {printable(args.out)}')
    if args.list is not None:
        print(f'All      {printable(args.list)}')
    return OK


if __name__ == '__main__':
    sys.exit(main())
