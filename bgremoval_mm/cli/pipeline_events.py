"""`bgremoval pipeline run --events QUEUE`: a bucket tells of its photos, which are not listed."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.pipeline.event_queue import EventQueue
    from bgremoval_mm.pipeline.routes import Routes
    from bgremoval_mm.pipeline.sources import Received
    from bgremoval_mm.pipeline.worker import Worker

__all__ = [
    'add_events_argument',
    'check_places',
    'open_events',
    'receive_as_told',
    'receive_waiting',
    'told',
]

logger = logging.getLogger(__name__)

_LONG_WAIT = 5  # seconds; SQS allows 20, but Ctrl-C and SIGTERM wait for them
_SHORT_WAIT = 1
_PAUSE = 10.0  # seconds before a queue that does not answer is asked again


def add_events_argument(parser: argparse.ArgumentParser) -> None:
    """Add the queue of events."""
    parser.add_argument(
        '--events',
        metavar='QUEUE',
        help='name or URL of the SQS queue in which the bucket of PHOTOS tells of new objects: '
        'nothing is listed then',
    )


def open_events(args: argparse.Namespace) -> EventQueue | None:
    """Open the queue of events; return None if there is none.

    Raises:
        ArgumentError: If the photos do not lie in a bucket.
        EventQueueError: If there is no such queue, or it refuses.
    """
    if args.events is None:
        return None
    from bgremoval_mm.pipeline.bucket_events import BucketPlace
    from bgremoval_mm.pipeline.event_queue import EventQueue

    BucketPlace.of(args.photos)
    return EventQueue(args.events)


def check_places(photos: str, root: Path, routes: Routes) -> None:
    """Refuse to write where photos are received, where each result would be a photo in turn.

    Raises:
        ArgumentError: If a route publishes there, or the pipeline's folder lies there.
    """
    from bgremoval_mm.removal.errors import ArgumentError
    from bgremoval_mm.removal.io.addresses import lies_in

    for place in [str(root), *(route.publish for route in routes if route.publish)]:
        if lies_in(place, photos):
            msg = f'{place} lies in {photos}: its results would be received as photos in turn'
            raise ArgumentError(msg)


def receive_as_told(worker: Worker, photos: str, events: EventQueue, stop: threading.Event) -> None:
    """Receive what the queue tells of, until told to stop."""
    from bgremoval_mm.pipeline.event_queue import EventQueueError, receive_events

    while not stop.is_set():
        try:
            messages = events.take(_LONG_WAIT)
            told(receive_events(worker.queue, worker.files, messages, events, photos, stop))
        except EventQueueError as err:  # a network that is down comes back
            logger.warning('%s', err)
            stop.wait(_PAUSE)


def receive_waiting(worker: Worker, photos: str, events: EventQueue, stop: threading.Event) -> int:
    """Receive what waits in the queue; return how many messages were left there.

    Raises:
        EventQueueError: If the queue does not answer.
    """
    from bgremoval_mm.pipeline.event_queue import receive_events

    left, seen = 0, set[str]()
    while not stop.is_set() and (messages := events.take(_SHORT_WAIT)):
        new = [each for each in messages if each.id not in seen]
        if not new:  # what was left comes again
            break
        seen.update(each.id for each in new)
        left += told(receive_events(worker.queue, worker.files, new, events, photos, stop))
    return left


def told(received: Received) -> int:
    """Say what came of a look at the source; return how many photos could not be read."""
    for line in received.unreadable:
        logger.warning('not received: %s', printable(line))
    if received.new or received.unreadable:
        print(f'Received {received.new} photos; {received.known} were known', file=sys.stderr)
    return len(received.unreadable)
