"""`bgremoval search`: an index of a folder of photos, and queries in it by a photo."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.arguments import add_licence_argument, at_least, device_name, model_name
from bgremoval_mm.cli.errors import FAILED, OK, OPENMMLAB, add_debug_argument
from bgremoval_mm.cli.result_arguments import fill_levels
from bgremoval_mm.cli.script import add_sheet_argument
from bgremoval_mm.removal.options import PRECISIONS
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.search.build import IndexSummary
    from bgremoval_mm.search.network import Network
    from bgremoval_mm.search.query import Answer, Searcher
    from bgremoval_mm.search.removal import PhotoRemoval

__all__ = ['add_search_commands', 'quiet', 'run_index', 'run_query', 'run_sheet']

_LISTED = 20


def add_search_commands(parser: argparse.ArgumentParser) -> None:
    """Add `index`, `query` and `sheet`."""
    commands = parser.add_subparsers(dest='step', required=True, metavar='STEP')
    _add_index(commands)
    _add_query(commands)
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


def _add_index(commands: argparse._SubParsersAction[Any]) -> None:
    text = 'make an index of a folder of photos, or bring it up to date'
    index = commands.add_parser('index', help=text, description=f'M{text[1:]}.')
    index.set_defaults(run=run_index, parser=index, checked_by=OPENMMLAB)
    index.add_argument('photos', type=Path, metavar='PHOTOS', help='folder of photos, at any depth')
    index.add_argument('index', type=Path, metavar='INDEX', help='folder of the index')
    network = index.add_mutually_exclusive_group(required=True)
    network.add_argument(
        '--checkpoint', type=Path, metavar='FILE.pth', help='a network of mmpretrain, trained'
    )
    network.add_argument(
        '--backbone',
        metavar='NAME',
        help='ImageNet weights: efficientnet-lite0, efficientnet-lite2, or a classifier of '
        'mmpretrain by its name, such as resnet50_8xb32_in1k',
    )
    index.add_argument(
        '--config', type=Path, metavar='FILE.py', help='of the checkpoint, if it carries none'
    )
    index.add_argument(
        '--remove-background',
        type=model_name,
        metavar='MODEL',
        help='remove backgrounds first, also those of queries: a name that `bgremoval models` '
        'lists, or an .onnx file',
    )
    index.add_argument(
        '--fill',
        type=fill_levels,
        metavar='LEVEL|R,G,B',
        help="colour in the background's place (default: the one that the config trains with, else "
        '255)',
    )
    precisions = [each for each in PRECISIONS if each != 'int8']  # which needs calibration
    index.add_argument('--precision', choices=precisions, help='of the removal (default: fp32)')
    index.add_argument(
        '--batch-size', type=at_least(1), default=32, help='photos at a time (default: 32)'
    )
    _add_device_arguments(index)


def _add_query(commands: argparse._SubParsersAction[Any]) -> None:
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
    _add_device_arguments(query)


def _add_device_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--device', type=device_name, default='auto', help='auto (default), cpu, cuda or cuda:N'
    )
    add_licence_argument(parser)
    add_debug_argument(parser)


def run_index(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Fill the index; return 1 if photos cannot be read."""
    if args.config is not None and args.checkpoint is None:
        parser.error('--config goes with --checkpoint')
    for name in ('fill', 'precision'):
        if getattr(args, name) is not None and args.remove_background is None:
            parser.error(f'--{name} goes with --remove-background')
    if args.accept_licence and args.remove_background is None:
        parser.error('--accept-licence goes with --remove-background')
    from bgremoval_mm.search.build import update_index
    from bgremoval_mm.search.network import Network

    with signals.raised(), quiet():
        if args.backbone is not None:
            network = Network.from_backbone(args.backbone, args.device)
        else:
            network = Network.from_checkpoint(args.checkpoint, args.config, args.device)
        removal = _removal(args, network)
        summary = update_index(args.photos, args.index, network, removal, args.batch_size)
    print(_describe(summary, args.index))
    return FAILED if summary.broken else OK


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
    if args.sheet is not None:
        _draw(args, searcher, answer)
        print(f'Look at {printable(args.sheet)}', file=sys.stderr)
    return OK


def run_sheet(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Draw the sheet."""
    from bgremoval_mm.removal.io.targets import check_sheet
    from bgremoval_mm.visualization.canvas import save_sheet
    from bgremoval_mm.visualization.retrieval_sheet import draw_retrieval_sheet, read_hits

    queries = read_hits(args.hits, args.number)
    photos = [hit.photo for query in queries for hit in query.hits]
    photos += [query.photo for query in queries if isinstance(query.photo, Path)]
    check_sheet(args.out, photos, named=args.named)
    heading = (f'{len(queries)} queries', f'their first {args.k} hits, of {args.hits.name}')
    save_sheet(draw_retrieval_sheet(queries, heading, args.k), args.out)
    print(f'Look at {printable(args.out)}')
    return OK


def _removal(args: argparse.Namespace, network: Network) -> PhotoRemoval | None:
    trained = network.definition.removes
    if args.remove_background is None:
        if trained.removes:
            print(
                'note: the config tests on photos without backgrounds, but this index keeps them: '
                f'see --remove-background {trained.arguments.get("model", "MODEL")}',
                file=sys.stderr,
            )
        return None
    from bgremoval_mm.search.removal import PhotoRemoval

    fill = args.fill
    if fill is None:
        fill = trained.arguments.get('fill', 255) if trained.removes else 255
    if fill == 'mean':
        from bgremoval_mm.datasets.transforms.remove_background import IMAGENET_MEAN

        fill = IMAGENET_MEAN
    return PhotoRemoval(
        args.remove_background,
        fill,
        args.precision or 'fp32',
        device=args.device,
        accept_licence=args.accept_licence,
    )


def _describe(summary: IndexSummary, index: Path) -> str:
    """Return the closing lines of a run."""
    done = summary.added + summary.changed
    rate = f' ({done / summary.seconds:.1f} photos/s)' if done and summary.seconds else ''
    lines = [
        f'{summary.added:,} added, {summary.changed:,} changed{rate}, {summary.kept:,} kept, '
        f'{summary.gone:,} gone, {len(summary.broken):,} broken',
        f'{summary.total:,} photos in {printable(index)}',
    ]
    shown = list(summary.broken.items())[:_LISTED]
    lines += [f'  broken: {printable(path)}: {printable(reason)}' for path, reason in shown]
    if len(summary.broken) > _LISTED:
        lines.append(f'  broken: and {len(summary.broken) - _LISTED:,} more, see broken.csv')
    return '\n'.join(lines)


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


@contextmanager
def quiet() -> Iterator[None]:
    """Show only warnings of mmengine's, and on standard error: results go to standard output."""
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    logging.getLogger('faiss').setLevel(logging.WARNING)  # it lists the builds that it tries
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    handlers = [each for each in logger.handlers if type(each) is logging.StreamHandler]
    before = logger.level, [each.stream for each in handlers]
    logger.setLevel('WARNING')
    for handler in handlers:
        handler.stream = sys.stderr
    try:
        yield
    finally:
        logger.setLevel(before[0])
        for handler, stream in zip(handlers, before[1], strict=True):
            handler.stream = stream
