"""`bgremoval pipeline run` and `work`: receive photos, and lead them to their end."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli import arguments
from bgremoval_mm.cli.errors import FAILED, OK
from bgremoval_mm.cli.pipeline_events import (
    check_places,
    open_events,
    receive_as_told,
    receive_waiting,
    told,
)
from bgremoval_mm.cli.pipeline_root import add_routes_argument, open_root, routes_of
from bgremoval_mm.cli.pipeline_status import print_counts
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.pipeline.event_queue import EventQueue
    from bgremoval_mm.pipeline.files import PipelineFiles
    from bgremoval_mm.pipeline.queue import UploadQueue
    from bgremoval_mm.pipeline.worker import Worker

__all__ = ['add_work_arguments', 'run_work']

logger = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between two looks into a watched folder
# And between two listings of an address, which stores of objects charge for, or two tries of what
# could not be received.
_LISTING = 30.0


def add_work_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the routes, the lease and the engine."""
    add_routes_argument(parser)
    parser.add_argument(
        '--lease',
        type=arguments.at_least(1),
        default=300,
        metavar='SECONDS',
        help="after which another worker takes over a killed worker's photo (default: 300)",
    )
    arguments.add_engine_arguments(parser)


def run_work(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Work until SIGTERM or Ctrl-C, or with `--once` until nothing is left to be done.

    With `--once`, the exit code is 1 if anything failed, or a signal came before the end.

    Raises:
        BgremovalError: If the database, the routes or a folder cannot be read, or the database does
            not answer.
    """
    if args.calibration is not None and args.precision != 'int8':
        parser.error('--calibration goes with --precision int8 only')
    photos: str | None = getattr(args, 'photos', None)
    if photos is not None and '://' not in photos and not Path(photos).is_dir():
        raise NotADirectoryError(20, 'Not a folder', photos)
    queue, files = open_root(args)
    worker = _make_worker(args, queue, files)
    events = None
    if photos is not None:
        check_places(photos, args.root, worker.routes)
        events = open_events(args)
    files.sweep()
    with _stopped_by_signals() as stop:
        if photos is None:
            _work(worker, args.once, stop)
        elif args.once:
            if events is not None:
                unreadable = receive_waiting(worker, photos, events, stop)
            else:
                unreadable = _receive_once(queue, files, photos, stop)
            _work(worker, True, stop)
            has_failed = print_counts(queue)
            return FAILED if unreadable or stop.is_set() or has_failed else OK
        else:
            _watch_and_work(worker, photos, events, stop)
    has_failed = print_counts(queue)
    return FAILED if args.once and (stop.is_set() or has_failed) else OK


def _make_worker(args: argparse.Namespace, queue: UploadQueue, files: PipelineFiles) -> Worker:
    from bgremoval_mm.pipeline.live import LIVE, live_model
    from bgremoval_mm.pipeline.worker import Worker
    from bgremoval_mm.removal.remover import BackgroundRemover

    routes = routes_of(args)
    options = arguments.engine_options_of(args)

    def make(model: str) -> BackgroundRemover:
        return BackgroundRemover.from_options(replace(options, model=model, batch_size=1))

    # Made now, so that what is wrong is told now; one that goes live later is made then.
    named = [model for route in routes for model in route.models]
    models = [live_model(args.root) if model == LIVE else model for model in named]
    removers = {model: make(model) for model in dict.fromkeys(models)}
    device = None if options.device == 'auto' else options.device
    return Worker(
        queue,
        files,
        routes,
        lambda model: removers.pop(model, None) or make(model),
        routes.open_types(device),
    )


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


def _receive_once(
    queue: UploadQueue, files: PipelineFiles, photos: str, stop: threading.Event
) -> int:
    from bgremoval_mm.pipeline.sources import receive_files
    from bgremoval_mm.removal.errors import BgremovalError
    from bgremoval_mm.removal.io.storage import open_storage

    storage = open_storage(photos)
    try:
        found = storage.scan()
    except OSError as err:
        msg = f'{photos} cannot be listed: {err.strerror or err}'
        raise BgremovalError(msg) from err
    received = receive_files(queue, files, storage, found.images, stop)
    received.unreadable += [f'{name}: {reason}' for name, reason in found.unreadable.items()]
    return told(received)


def _watch_and_work(
    worker: Worker, photos: str, events: EventQueue | None, stop: threading.Event
) -> None:
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
        if events is not None:
            receive_as_told(worker, photos, events, stop)
        elif '://' in photos:
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
    missed, tried = set[str](), time.monotonic()
    while not stop.wait(_LOOK):
        if time.monotonic() - tried > _LISTING:  # a full disk is told of twice a minute at most
            watcher.forget(missed)
            missed, tried = set(), time.monotonic()
        if new := watcher.take():
            scan = storage.scan()  # as with --once: images alone, and nothing that never ends
            images = new & set(scan.images)
            received = receive_files(worker.queue, worker.files, storage, images, stop)
            broken = sorted(new & scan.unreadable.keys())
            received.unreadable += [f'{name}: {scan.unreadable[name]}' for name in broken]
            missed.update(received.missed)
            told(received)


def _receive_by_listing(worker: Worker, photos: str, stop: threading.Event) -> None:
    from bgremoval_mm.pipeline.sources import ListingWatcher, receive_files
    from bgremoval_mm.removal.io.storage import open_storage

    watcher = ListingWatcher(photos)
    while not stop.is_set():
        try:
            new = watcher.take()
        except OSError as err:  # a network that is down comes back
            logger.warning('%s cannot be listed: %s', photos, err)
            new, watcher.unreadable = set(), []
        received = receive_files(worker.queue, worker.files, open_storage(photos), new, stop)
        received.unreadable += watcher.unreadable
        watcher.forget(received.missed)
        told(received)
        stop.wait(_LISTING)
