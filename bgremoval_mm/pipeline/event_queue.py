"""EventQueue: a queue of SQS in which a bucket tells of its objects, and receiving these."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from bgremoval_mm.pipeline.bucket_events import BucketPlace, EventError, stored_objects
from bgremoval_mm.pipeline.database import DatabaseWait
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.sources import Received, receive_file
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.storage import Storage, open_storage
from bgremoval_mm.utils.text import printable

__all__ = ['EventQueue', 'EventQueueError', 'Message', 'receive_events']

logger = logging.getLogger(__name__)

_MOST = 10  # messages at a time; SQS gives no more
_HOST = re.compile(r'https://sqs\.([a-z0-9-]+)\.amazonaws\.com/')


class EventQueueError(OSError):
    """The queue of events cannot be reached, or refuses."""


@dataclass(frozen=True)
class Message:
    """A message of the queue.

    Attributes:
        id: By which it is known.
        receipt: By which it is deleted.
        body: Its text.
    """

    id: str
    receipt: str
    body: str


class EventQueue:
    """A queue of SQS.

    Args:
        queue: Its name, or its URL. Region and access come from boto3's usual places.

    Raises:
        EventQueueError: If there is no such queue, or it refuses.
        ModuleNotFoundError: If the extra `s3` is not installed.
    """

    def __init__(self, queue: str) -> None:
        try:
            import boto3
        except ModuleNotFoundError as err:
            msg = f'events need {err.name}: `pip install "bgremoval_mm[s3]"`'
            raise ModuleNotFoundError(msg, name=err.name) from None
        self.queue = queue
        region = _HOST.match(queue)
        with self._named():
            self._client = boto3.client('sqs', region_name=region[1] if region else None)
            is_url = queue.startswith(('https://', 'http://'))
            self._url = queue if is_url else self._client.get_queue_url(QueueName=queue)['QueueUrl']

    def take(self, wait: int = 20) -> list[Message]:
        """Return messages, which nobody else gets for the queue's visibility timeout.

        Args:
            wait: Seconds, 20 at most, that the queue is waited for while it is empty.

        Raises:
            EventQueueError: If the queue does not answer.
        """
        with self._named():
            found = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=_MOST, WaitTimeSeconds=wait
            )
        return [
            Message(each['MessageId'], each['ReceiptHandle'], each['Body'])
            for each in found.get('Messages', [])
        ]

    def delete(self, message: Message) -> None:
        """Delete a message, for good.

        Raises:
            EventQueueError: If the queue does not answer.
        """
        with self._named():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)

    @contextmanager
    def _named(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as err:
            msg = f'the queue {self.queue} cannot be used: {err}'
            raise EventQueueError(msg) from err


def receive_events(
    queue: UploadQueue,
    files: PipelineFiles,
    messages: list[Message],
    events: EventQueue,
    address: str,
    stop: Event | None = None,
) -> Received:
    """Receive the photos that messages tell of; delete a message once all of them are recorded.

    A message that is not understood, or whose photo cannot be read, stays in the queue, which
    delivers it again and, by its redrive policy, sets it aside in the end.

    Args:
        queue: The uploads.
        files: Their files.
        messages: What `events` gave.
        events: Where they are deleted.
        address: Bucket and prefix from which photos are taken, such as ``s3://bucket/photos``.
        stop: Once it is set, the messages that are left stay in the queue.

    Returns:
        What came of it; messages that were left in the queue are in `unreadable`.

    Raises:
        EventQueueError: If the queue does not answer.
        OperationalError: If the database has been away for two minutes.
    """
    place, storage, found = BucketPlace.of(address), open_storage(address), Received()
    stop, left = stop or Event(), deque(messages)
    database = DatabaseWait(stop)
    while left and not stop.is_set():
        message = left[0]
        # Waited for here: messages taken again and again would be set aside by a redrive policy.
        with database.over_errors():
            try:
                for name in _names(message, place):
                    _receive(queue, files, storage, name, found)
            except (EventError, ArgumentError) as err:
                found.unreadable.append(f'message {message.id}: {err}')
            except OSError as err:
                found.unreadable.append(f'message {message.id}: {err.strerror or err}')
            else:
                events.delete(message)
            left.popleft()
    return found


def _receive(
    queue: UploadQueue, files: PipelineFiles, storage: Storage, name: str, found: Received
) -> None:
    # The object as it is now, which may be a later one than the message tells of: messages come in
    # any order, and an old one must not bring an old photo back.
    try:
        is_new = receive_file(queue, files, storage, name)
    except FileNotFoundError:
        logger.warning('%s is no longer there', printable(storage.address_of(name)))
        return
    found.count(is_new)


def _names(message: Message, place: BucketPlace) -> Iterator[str]:
    for stored in stored_objects(message.body):
        name = place.name_of(stored)
        if name is None:
            msg = f'{stored.address} does not lie in the bucket and prefix that are received'
            raise EventError(msg)
        if place.is_photo(name):
            yield name
