"""`bgremoval sheet`: the least trustworthy masks of a store, as a list and as a contact sheet.

The most suspicious masks come first: see MaskQuality.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bgremoval_mm.cli import console
from bgremoval_mm.cli.arguments import add_model_argument
from bgremoval_mm.cli.errors import OK, add_debug_argument
from bgremoval_mm.utils.text import printable

__all__ = ['add_sheet_arguments', 'run_sheet']


def add_sheet_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which store is shown, and what is written."""
    parser.add_argument('masks', type=Path, help='DST of tools/remove_background.py')
    parser.add_argument('images', type=Path, help='SRC of tools/remove_background.py')
    add_model_argument(parser)
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
    parser.add_argument(
        '--leave-out',
        type=Path,
        metavar='FILE.txt',
        help='write the images whose mask is flagged, or failed, for RembgDataset(exclude=...)',
    )
    add_debug_argument(parser)


def run_sheet(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Draw the sheet, write the table, and print the list."""
    tables = [path.absolute() for path in (args.list, args.leave_out) if path is not None]
    if len(set(tables)) < len(tables):
        parser.error('--list and --leave-out must be two files')
    from bgremoval_mm.removal import MaskStore
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.removal.review.left_out import check_left_out, write_left_out
    from bgremoval_mm.removal.review.ranking import read_ranking
    from bgremoval_mm.utils.atomic import write_atomically
    from bgremoval_mm.visualization.mask_sheet import check_table, write_mask_sheet

    out = args.out or Path('masks.png')
    ranking = read_ranking(args.masks, args.model)
    store = MaskStore(args.masks, args.model, ranking.precision)
    check_sheet(out, named=args.out is not None)
    if args.list is not None:
        check_table(args.list, store, args.images)
    if args.leave_out is not None:
        check_left_out(args.leave_out)
    write_mask_sheet(out, ranking, store, args.images, args.number)
    if args.list is not None:
        args.list.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(args.list, ranking.as_csv().encode(errors='surrogateescape'))
    if args.leave_out is not None:
        write_left_out(args.leave_out, ranking.doubtful)
    print(console.escape_lines(ranking.as_text(args.number)))
    print(f'\nLook at  {printable(out)}')
    if args.list is not None:
        print(f'All      {printable(args.list)}')
    if args.leave_out is not None:
        print(f'Left out {printable(args.leave_out)}: {len(ranking.doubtful):,} images')
    return OK
