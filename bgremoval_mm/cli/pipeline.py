"""`bgremoval pipeline`: uploads are removed, checked and published, by any number of workers."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.cli import arguments
from bgremoval_mm.cli.errors import FAILED, OK
from bgremoval_mm.cli.pipeline_status import has_failed, print_counts, print_status
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.pipeline.files import PipelineFiles
    from bgremoval_mm.pipeline.queue import UploadQueue
    from bgremoval_mm.pipeline.routes import Routes
    from bgremoval_mm.pipeline.worker import Worker

__all__ = ['add_pipeline_commands', 'run_retry', 'run_status', 'run_verdict', 'run_work']

logger = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between two looks into a watched folder
_LISTING = 30.0  # and between two listings of an address, which stores of objects charge for


def add_pipeline_commands(parser: argparse.ArgumentParser) -> None:
    """Add `run`, `work`, `status`, `accept`, `reject` and `retry`."""
    commands = parser.add_subparsers(dest='step', required=True, metavar='STEP')

    text = 'receive the photos of a folder as they arrive, and work on them'
    run = _add(commands, 'run', run_work, text)
    run.add_argument(
        'photos', metavar='PHOTOS', help='folder, at any depth, or an address such as s3://...'
    )
    _add_root(run)
    run.add_argument(
        '--once', action='store_true', help='take what is there, and end when that is done'
    )
    _add_work_arguments(run)

    text = 'work on what was received: start as many as there are machines'
    work = _add(commands, 'work', run_work, text)
    _add_root(work)
    work.add_argument('--once', action='store_true', help='end when nothing is left to be done')
    _add_work_arguments(work)

    status = _add(commands, 'status', run_status, 'tell how many uploads stand where, and why')
    _add_root(status)
    status.add_argument('--name', help='tell the history of one photo instead')
    status.add_argument('--json', action='store_true', help='as JSON, with every upload')

    accept = _add(commands, 'accept', run_verdict, 'publish photos that wait in review')
    reject = _add(commands, 'reject', run_verdict, 'do not publish photos that wait in review')
    for each in (accept, reject):
        _add_root(each)
        each.add_argument('names', nargs='+', metavar='NAME', help='as `status` lists them')
    accept.add_argument(
        '--mask', type=Path, metavar='FILE', help='corrected mask of one photo, white on the object'
    )
    _add_routes_argument(accept)
    reject.add_argument('--reason', default='', metavar='TEXT', help='for the record')

    _add_root(_add(commands, 'retry', run_retry, 'try again all that has failed'))


def run_work(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Work until SIGTERM or Ctrl-C, or with `--once` until nothing is left to be done.

    Raises:
        BgremovalError: If the database, the routes or a folder cannot be read.
    """
    if args.calibration is not None and args.precision != 'int8':
        parser.error('--calibration goes with --precision int8 only')
    photos: str | None = getattr(args, 'photos', None)
    if photos is not None and '://' not in photos and not Path(photos).is_dir():
        raise NotADirectoryError(20, 'Not a folder', photos)
    queue, files = _open(args)
    worker = _make_worker(args, queue, files)
    files.sweep()
    with _stopped_by_signals() as stop:
        if photos is None:
            _work(worker, args.once, stop)
        elif args.once:
            unreadable = _receive_once(queue, files, photos)
            _work(worker, True, stop)
            print_counts(queue)
            return FAILED if unreadable or has_failed(queue) else OK
        else:
            _watch_and_work(worker, photos, stop)
    print_counts(queue)
    return FAILED if args.once and has_failed(queue) else OK


def run_status(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Print where the uploads stand; exit code 1 if any has failed."""
    queue, _ = _open(args)
    return print_status(queue, args.name, args.json)


def run_verdict(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Publish or reject photos that wait in review; exit code 1 if one does not.

    Raises:
        BgremovalError: If the database or the routes cannot be read.
    """
    mask: Path | None = getattr(args, 'mask', None)
    if mask is not None and len(args.names) > 1:
        parser.error(f'--mask is for one photo, but got {len(args.names)}')
    queue, files = _open(args)
    from bgremoval_mm.cli.errors import print_error
    from bgremoval_mm.pipeline.verdicts import VerdictError, accept, reject

    routes = _routes_of(args) if args.step == 'accept' else None
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
    queue, _ = _open(args)
    print(f'{queue.retry()} uploads will be tried again')
    return OK


def _add(
    commands: argparse._SubParsersAction[Any], name: str, run: Any, text: str
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + '.'
    )
    made.set_defaults(run=run, parser=made)
    return made


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'root', type=Path, metavar='ROOT', help='folder of the pipeline, shared by its workers'
    )
    parser.add_argument(
        '--database',
        metavar='URL',
        help='sqlite:///PATH (default: pipeline.db in ROOT), for workers on one machine; or '
        'postgresql+psycopg://USER:PASSWORD@HOST/NAME',
    )
    arguments.add_debug_argument(parser)


def _add_work_arguments(parser: argparse.ArgumentParser) -> None:
    _add_routes_argument(parser)
    parser.add_argument(
        '--lease',
        type=arguments.at_least(1),
        default=300,
        metavar='SECONDS',
        help="after which another worker takes over a killed worker's photo (default: 300)",
    )
    arguments.add_engine_arguments(parser)


def _add_routes_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--routes', type=Path, metavar='FILE.toml', help='model, output and gate by product type'
    )


def _open(args: argparse.Namespace) -> tuple[UploadQueue, PipelineFiles]:
    try:
        from bgremoval_mm.pipeline.queue import UploadQueue
    except ModuleNotFoundError as err:
        msg = f'the pipeline needs {err.name}: `pip install "bgremoval_mm[pipeline]"`'
        raise ModuleNotFoundError(msg, name=err.name) from None
    from bgremoval_mm.pipeline.files import PipelineFiles
    from bgremoval_mm.removal.errors import BgremovalError

    if args.step not in ('run', 'work') and not args.root.is_dir():
        msg = f'{args.root}: there is no pipeline; `bgremoval pipeline run` begins one'
        raise BgremovalError(msg)
    files = PipelineFiles(args.root)
    url = args.database or f'sqlite:///{(args.root / "pipeline.db").absolute()}'
    return UploadQueue(url, getattr(args, 'lease', 300)), files


def _routes_of(args: argparse.Namespace) -> Routes:
    from bgremoval_mm.pipeline.routes import Routes, read_routes

    return Routes() if args.routes is None else read_routes(args.routes)


def _make_worker(args: argparse.Namespace, queue: UploadQueue, files: PipelineFiles) -> Worker:
    from bgremoval_mm.pipeline.live import LIVE, live_model
    from bgremoval_mm.pipeline.worker import Worker
    from bgremoval_mm.removal.remover import BackgroundRemover

    routes = _routes_of(args)
    options = arguments.engine_options_of(args)

    def make(model: str) -> BackgroundRemover:
        return BackgroundRemover.from_options(replace(options, model=model, batch_size=1))

    # Made now, so that what is wrong is told now; one that goes live later is made then.
    models = [live_model(args.root) if r.model == LIVE else r.model for r in routes]
    removers = {model: make(model) for model in dict.fromkeys(models)}
    return Worker(queue, files, routes, lambda model: removers.pop(model, None) or make(model))


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Let SIGTERM or Ctrl-C end the work after the photo under way, a second one at once."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: object) -> None:
        stop.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _work(worker: Worker, until_done: bool, stop: threading.Event) -> None:
    ended = worker.run(until_done, stop)
    print(f'This worker finished {ended} uploads', file=sys.stderr)


def _receive_once(queue: UploadQueue, files: PipelineFiles, photos: str) -> int:
    from bgremoval_mm.pipeline.sources import receive_files
    from bgremoval_mm.removal.io.storage import open_storage

    storage = open_storage(photos)
    found = storage.scan()
    received = receive_files(queue, files, storage, found.images)
    received.unreadable += [f'{name}: {reason}' for name, reason in found.unreadable.items()]
    return _told(received)


def _watch_and_work(worker: Worker, photos: str, stop: threading.Event) -> None:
    """Receive in this thread, work in another one; end both when told to."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            _work(worker, False, stop)
        except BaseException as err:  # noqa: BLE001
            failed.append(err)  # raised in the main thread, below
            stop.set()

    thread = threading.Thread(target=work, name='worker')
    print(f'Watching {printable(photos)}; Ctrl-C ends it', file=sys.stderr)
    thread.start()
    try:
        if '://' in photos:
            _receive_by_listing(worker, photos, stop)
        else:
            _receive_as_they_settle(worker, Path(photos), stop)
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def _receive_as_they_settle(worker: Worker, photos: Path, stop: threading.Event) -> None:
    from bgremoval_mm.cli.watch import Watcher
    from bgremoval_mm.pipeline.sources import receive_files
    from bgremoval_mm.removal.io.storage import open_storage

    watcher, storage = Watcher(photos), open_storage(photos)
    while not stop.wait(_LOOK):
        if new := watcher.take():
            _told(receive_files(worker.queue, worker.files, storage, new))


def _receive_by_listing(worker: Worker, photos: str, stop: threading.Event) -> None:
    from bgremoval_mm.pipeline.sources import ListingWatcher, receive_files
    from bgremoval_mm.removal.io.storage import open_storage

    watcher = ListingWatcher(photos)
    while not stop.is_set():
        try:
            new = watcher.take()
        except OSError as err:  # a network that is down comes back
            logger.warning('%s cannot be listed: %s', photos, err)
            new = set()
        received = receive_files(worker.queue, worker.files, open_storage(photos), new)
        watcher.forget(line.partition(': ')[0] for line in received.unreadable)
        _told(received)
        stop.wait(_LISTING)


def _told(received: Any) -> int:
    """Say what came of a look at the folder; return how many files could not be read."""
    for line in received.unreadable:
        logger.warning('not received: %s', printable(line))
    if received.new or received.unreadable:
        print(
            f'Received {received.new} photos; {received.known} were known',
            file=sys.stderr,
        )
    return len(received.unreadable)
