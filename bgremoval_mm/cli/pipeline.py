"""`bgremoval pipeline`: uploads are removed, checked and published, by any number of workers."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgremoval_mm.cli.errors import FAILED, OK
from bgremoval_mm.cli.parser import add_command
from bgremoval_mm.cli.pipeline_events import add_events_argument
from bgremoval_mm.cli.pipeline_review import (
    add_pairs_arguments,
    add_review_arguments,
    export,
    serve_review,
)
from bgremoval_mm.cli.pipeline_root import add_root, add_routes_argument, open_root, routes_of
from bgremoval_mm.cli.pipeline_status import print_status
from bgremoval_mm.cli.pipeline_work import add_work_arguments, run_work
from bgremoval_mm.utils.text import printable

__all__ = [
    'add_pipeline_commands',
    'run_pairs',
    'run_retry',
    'run_review',
    'run_status',
    'run_verdict',
]


def add_pipeline_commands(parser: argparse.ArgumentParser) -> None:
    """Add `run`, `work`, `status`, `review`, `accept`, `reject`, `pairs` and `retry`."""
    commands = parser.add_subparsers(dest='step', required=True, metavar='STEP')

    text = 'receive the photos of a folder as they arrive, and work on them'
    run = add_command(commands, 'run', run_work, text)
    run.add_argument(
        'photos', metavar='PHOTOS', help='folder, at any depth, or an address such as s3://...'
    )
    add_root(run)
    run.add_argument(
        '--once', action='store_true', help='take what is there, and end when that is done'
    )
    add_events_argument(run)
    add_work_arguments(run)

    text = 'work on what was received: start as many as there are machines'
    work = add_command(commands, 'work', run_work, text)
    add_root(work)
    work.add_argument('--once', action='store_true', help='end when nothing is left to be done')
    add_work_arguments(work)

    status = add_command(
        commands, 'status', run_status, 'tell how many uploads stand where, and why'
    )
    add_root(status)
    status.add_argument('--name', help='tell the history of one photo instead')
    status.add_argument('--json', action='store_true', help='as JSON, with every upload')

    text = 'decide in a browser on what waits in review'
    review = add_command(commands, 'review', run_review, text)
    add_root(review)
    add_routes_argument(review)
    add_review_arguments(review)

    accept = add_command(commands, 'accept', run_verdict, 'publish photos that wait in review')
    reject = add_command(
        commands, 'reject', run_verdict, 'do not publish photos that wait in review'
    )
    for each in (accept, reject):
        add_root(each)
        each.add_argument('names', nargs='+', metavar='NAME', help='as `status` lists them')
    accept.add_argument(
        '--mask', type=Path, metavar='FILE', help='corrected mask of one photo, white on the object'
    )
    add_routes_argument(accept)
    reject.add_argument('--reason', default='', metavar='TEXT', help='for the record')

    text = 'store corrected masks and their photos as pairs, to train on'
    pairs = add_command(commands, 'pairs', run_pairs, text)
    add_root(pairs)
    add_pairs_arguments(pairs)

    add_root(add_command(commands, 'retry', run_retry, 'try again all that has failed'))


def run_status(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Print where the uploads stand; exit code 1 if any has failed."""
    queue, _ = open_root(args)
    return print_status(queue, args.name, args.json)


def run_verdict(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Publish or reject photos that wait in review; exit code 1 if one does not.

    Raises:
        BgremovalError: If the database or the routes cannot be read.
    """
    mask: Path | None = getattr(args, 'mask', None)
    if mask is not None and len(args.names) > 1:
        parser.error(f'--mask is for one photo, but got {len(args.names)}')
    queue, files = open_root(args)
    from bgremoval_mm.cli.errors import print_error
    from bgremoval_mm.pipeline.verdicts import VerdictError, accept, reject

    routes = routes_of(args) if args.step == 'accept' else None
    code = OK
    for name in args.names:
        try:
            if routes is None:
                state = reject(queue, name, args.reason)
            else:
                state = accept(queue, files, routes, name, mask)
        except VerdictError as err:
            print_error(err)
            code = FAILED
        else:
            print(f'{printable(name)}: {state}')
    return code


def run_retry(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Put what has failed back to its beginning."""
    queue, _ = open_root(args)
    print(f'{queue.retry()} uploads will be tried again')
    return OK


def run_review(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Serve the review page until SIGTERM or Ctrl-C."""
    queue, files = open_root(args)
    return serve_review(args, queue, files, routes_of(args))


def run_pairs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Write pairs of photo and corrected mask; exit code 1 if one could not be read."""
    return export(args, *open_root(args))
