"""`bgremoval pipeline review` and `pipeline pairs`: people's verdicts, and what comes of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli.errors import FAILED, OK, writing_to
from bgremoval_mm.cli.serve import add_address_arguments, is_own_machine, read_tokens_of
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.pipeline.files import PipelineFiles
    from bgremoval_mm.pipeline.queue import UploadQueue
    from bgremoval_mm.pipeline.routes import Routes

__all__ = ['add_pairs_arguments', 'add_review_arguments', 'export', 'serve_review']


def add_review_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the page is served."""
    add_address_arguments(parser, 8001)


def add_pairs_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where pairs go."""
    parser.add_argument(
        'folder', type=Path, metavar='FOLDER', help='for photos, masks and list.csv'
    )


def serve_review(
    args: argparse.Namespace, queue: UploadQueue, files: PipelineFiles, routes: Routes
) -> int:
    """Serve the review page until SIGTERM or Ctrl-C.

    Raises:
        BgremovalError: If the address is taken, or the tokens cannot be read.
    """
    try:
        from bgremoval_mm.serving import run
    except ModuleNotFoundError as err:
        msg = f'the review page needs {err.name}: `pip install "bgremoval_mm[serve,pipeline]"`'
        raise ModuleNotFoundError(msg, name=err.name) from None
    from bgremoval_mm.pipeline.states import State
    from bgremoval_mm.reviewing.app import LIMITS, make_app

    tokens = read_tokens_of(args)
    others = not is_own_machine(args.host)
    app = make_app(queue, files, routes, tokens, any_host=others)
    listening = run.listen(args.host, args.port)
    host, port = listening.getsockname()[:2]
    shown = f'[{host}]' if ':' in host else host
    number = queue.counts()[State.REVIEW]
    waiting = '1 photo waits' if number == 1 else f'{number} photos wait'
    print(
        f'{waiting} in review: look at http://{shown}:{port}; Ctrl-C ends it',
        file=sys.stderr,
        flush=True,
    )
    with listening:
        run.make_server(app, LIMITS).run(sockets=[listening])
    return OK


def export(args: argparse.Namespace, queue: UploadQueue, files: PipelineFiles) -> int:
    """Write pairs of photo and corrected mask; return 1 if one could not be read.

    Raises:
        BgremovalError: If the folder lies in the pipeline's, or cannot be written to.
    """
    from bgremoval_mm.cli.errors import print_error
    from bgremoval_mm.pipeline.pairs import export_pairs

    with writing_to(printable(args.folder)):
        found = export_pairs(queue, files, args.folder)
    for line in found.unreadable:
        print_error(line)
    print(f'{found.new + found.known} pairs in {printable(args.folder)}, {found.new} of them new')
    if found.new + found.known:
        folder = printable(args.folder)
        print(
            f'Check them: bgremoval pairs check {folder}/photos {folder}/masks '
            f'--list {folder}/list.csv'
        )
    return FAILED if found.unreadable else OK
