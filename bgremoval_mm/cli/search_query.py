"""`bgremoval search query`: the photos of an index that are most similar to one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.argument_types import at_least
from bgremoval_mm.cli.console import quiet
from bgremoval_mm.cli.errors import OK, OPENMMLAB
from bgremoval_mm.cli.search_index import add_device_arguments
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.search.query import Answer, Searcher

__all__ = ['add_query_command', 'run_query']


def add_query_command(commands: argparse._SubParsersAction[Any]) -> None:
    """Add `query`: which index, which photo, and how the answer is shown."""
    text = 'find the photos of an index that are most similar to one'
    query = commands.add_parser('query', help=text, description=f'F{text[1:]}.')
    query.set_defaults(run=run_query, parser=query, checked_by=OPENMMLAB)
    query.add_argument('index', type=Path, metavar='INDEX')
    query.add_argument('photo', type=Path, metavar='PHOTO')
    query.add_argument('-k', type=at_least(1), default=10, help='how many (default: 10)')
    query.add_argument(
        '--format', dest='form', choices=('table', 'json'), default='table', help='default: table'
    )
    query.add_argument(
        '--sheet', type=Path, metavar='FILE.png', help='draw the query and what was found'
    )
    query.add_argument(
        '--checkpoint',
        type=Path,
        metavar='FILE.pth',
        help='where the checkpoint of the index is now',
    )
    query.add_argument(
        '--config', type=Path, metavar='FILE.py', help='its config, if it carries none'
    )
    add_device_arguments(query)


def run_query(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Print what is found, and draw it."""
    if args.config is not None and args.checkpoint is None:
        parser.error('--config goes with --checkpoint')
    if args.sheet is not None and args.sheet.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        parser.error(f'--sheet must end in .png or .jpg, but got {args.sheet}')
    from bgremoval_mm.search.query import Searcher

    if args.sheet is not None:
        _check_sheet(args)
    with signals.raised(), quiet():
        searcher = Searcher.open(
            args.index, args.checkpoint, args.config, args.device, args.accept_licence
        )
        answer = searcher.answer(args.photo, args.k)
    if args.form == 'json':
        print(json.dumps(_as_json(args.photo, searcher, answer), indent=2))
    else:
        for rank, hit in enumerate(answer.hits, start=1):
            print(f'{rank:>4}  {hit.similarity:.4f}  {printable(hit.path)}')
    if not answer.hits:
        again = 'run `bgremoval search index` again'
        print(f'note: {printable(args.index)} has no photos: {again}', file=sys.stderr)
    if answer.note:
        print(f'note: {answer.note}', file=sys.stderr)
    if args.sheet is not None:
        _draw(args, searcher, answer)
        print(f'Look at {printable(args.sheet)}', file=sys.stderr)
    return OK


def _as_json(photo: Path, searcher: Searcher, answer: Answer) -> dict[str, Any]:
    return {
        'query': str(photo),
        'photos': searcher.index.header.photos,
        'hits': [
            {'rank': rank, 'path': hit.path, 'similarity': hit.similarity}
            for rank, hit in enumerate(answer.hits, start=1)
        ],
    }


def _check_sheet(args: argparse.Namespace) -> None:
    """Find out whether the sheet can be drawn before the network is loaded."""
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.search.query import VectorIndex
    from bgremoval_mm.visualization import retrieval_sheet  # noqa: F401  # needs matplotlib

    photos = Path(VectorIndex(args.index).header.photos)
    check_sheet(args.sheet, [args.photo], [photos])


def _draw(args: argparse.Namespace, searcher: Searcher, answer: Answer) -> None:
    from bgremoval_mm.visualization.canvas import save_sheet
    from bgremoval_mm.visualization.retrieval_sheet import (
        Query,
        RankedPhoto,
        draw_retrieval_sheet,
    )

    hits = [RankedPhoto(searcher.photo(hit), hit.similarity) for hit in answer.hits]
    query = Query(answer.seen, args.photo.name, hits)
    heading = (
        f'{len(hits)} of {len(searcher.index):,} photos',
        f'most similar by {searcher.network.record.name}',
    )
    save_sheet(draw_retrieval_sheet([query], heading, max(1, len(hits))), args.sheet)
