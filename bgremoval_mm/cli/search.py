"""`bgremoval search`: its steps `index` and `query`, and `sheet`, which draws a metric's hits."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bgremoval_mm.cli.argument_types import at_least
from bgremoval_mm.cli.console import quiet
from bgremoval_mm.cli.errors import OK, add_debug_argument
from bgremoval_mm.cli.script import add_sheet_argument
from bgremoval_mm.cli.search_index import add_index_command, run_index
from bgremoval_mm.cli.search_query import add_query_command, run_query
from bgremoval_mm.utils.text import printable

__all__ = ['add_search_commands', 'quiet', 'run_index', 'run_query', 'run_sheet']


def add_search_commands(parser: argparse.ArgumentParser) -> None:
    """Add `index`, `query` and `sheet`."""
    commands = parser.add_subparsers(dest='step', required=True, metavar='STEP')
    add_index_command(commands)
    add_query_command(commands)
    text = 'draw queries and their first hits, as QueryGalleryMetric has written them'
    sheet = commands.add_parser('sheet', help=text, description=f'D{text[1:]}.')
    sheet.set_defaults(run=run_sheet, parser=sheet)
    sheet.add_argument('hits', type=Path, metavar='HITS.csv', help='its hits_file')
    sheet.add_argument(
        '--number', type=at_least(1), default=10, help='queries, evenly spaced (default: 10)'
    )
    sheet.add_argument('-k', type=at_least(1), default=3, help='hits of each (default: 3)')
    add_sheet_argument(sheet, 'hits.png')
    add_debug_argument(sheet)


def run_sheet(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Draw the sheet."""
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.canvas import save_sheet
    from bgremoval_mm.visualization.retrieval_sheet import draw_retrieval_sheet, read_hits

    queries = read_hits(args.hits, args.number)
    photos = [hit.photo for query in queries for hit in query.hits]
    photos += [query.photo for query in queries if isinstance(query.photo, Path)]
    check_sheet(args.out, photos, named=args.named)
    # What the file lacks may have been in the gallery all the same.
    shown = min(args.k, max((len(query.hits) for query in queries), default=args.k))
    heading = (f'{len(queries)} queries', f'their first {shown} hits, of {args.hits.name}')
    save_sheet(draw_retrieval_sheet(queries, heading, shown), args.out)
    if shown < args.k:
        print(
            f'note: {printable(args.hits)} has the first {shown} hits: `hits` of '
            'QueryGalleryMetric says how many are written',
            file=sys.stderr,
        )
    print(f'Look at {printable(args.out)}')
    return OK
