"""`bgremoval pipeline review` and `pairs`: people correct masks, networks learn from them."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from bgremoval_mm.cli import arguments
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.pipeline_root import add_routes_argument, open_root, routes_of
from bgremoval_mm.utils.text import printable

__all__ = ['add_pairs_arguments', 'add_review_arguments', 'run_pairs', 'run_review']

_OWN_MACHINE = ('127.0.0.1', '::1', 'localhost')


def add_review_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the page is served, and for whom."""
    add_routes_argument(parser)
    parser.add_argument(
        '--host', default='127.0.0.1', help='listen there (default: 127.0.0.1, this machine only)'
    )
    parser.add_argument(
        '--port', type=arguments.at_least(0), default=8001, help='0: any (default: 8001)'
    )
    parser.add_argument(
        '--tokens', type=Path, metavar='FILE', help='tokens, one a line; people then need one'
    )


def run_review(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Serve the page until SIGTERM or Ctrl-C.

    Raises:
        BgremovalError: If the address is taken, or there is no such pipeline.
    """
    queue, files = open_root(args)
    try:
        from bgremoval_mm.serving import run
    except ModuleNotFoundError as err:
        msg = f'the review needs {err.name}: `pip install "bgremoval_mm[serve]"`'
        raise ModuleNotFoundError(msg, name=err.name) from None
    from bgremoval_mm.serving.limits import Limits
    from bgremoval_mm.serving.review.app import make_review_app
    from bgremoval_mm.serving.review.desk import Desk
    from bgremoval_mm.serving.tokens import read_tokens

    tokens = None if args.tokens is None else read_tokens(args.tokens)
    hosts = list(_OWN_MACHINE) if args.host in _OWN_MACHINE else ['*']
    if tokens is None and args.host not in _OWN_MACHINE:
        logging.getLogger(__name__).warning(
            'everybody who reaches %s may decide: --tokens keeps others out', args.host
        )
    limits = Limits()
    app = make_review_app(Desk(queue, files, routes_of(args)), tokens, limits, hosts)
    listening = run.listen(args.host, args.port)
    host, port = listening.getsockname()[:2]
    shown = f'[{host}]' if ':' in host else host
    print(f'Review at http://{shown}:{port}; Ctrl-C ends it', file=sys.stderr, flush=True)
    with listening:
        run.make_server(app, limits).run(sockets=[listening])
    queue.close()
    return OK


def add_pairs_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the pairs are stored."""
    parser.add_argument(
        'folder', type=Path, metavar='FOLDER', help='for photos/ and masks/; may be added to'
    )


def run_pairs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Store all corrected masks and their photos.

    Raises:
        BgremovalError: If there is no such pipeline.
        OSError: If the folder cannot be written.
    """
    queue, files = open_root(args)
    from bgremoval_mm.pipeline.pairs import export_pairs

    total, new = export_pairs(queue, files, args.folder)
    queue.close()
    shown = printable(str(args.folder))
    print(f'{total} pairs in {shown}, of which {new} are new')
    if total:
        print(f'Next: bgremoval pairs check {shown}/photos {shown}/masks --out {shown}')
    return OK
