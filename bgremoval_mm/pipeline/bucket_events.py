"""Events of a store of objects: which objects were written, however the event was delivered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import unquote_plus

from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.io.scan import has_image_suffix, is_litter

__all__ = ['BucketPlace', 'EventError', 'StoredObject', 'stored_objects']

_SCHEMES = ('s3', 's3a')
_DEEPEST = 4  # a message of SQS that holds one of SNS that holds an event, and one to spare


class EventError(BgremovalError):
    """It is no event of a bucket."""


@dataclass(frozen=True)
class StoredObject:
    """An object that was written.

    Attributes:
        bucket: Name of its bucket.
        key: Its key.
    """

    bucket: str
    key: str

    @property
    def address(self) -> str:
        """Its address."""
        return f's3://{self.bucket}/{self.key}'


@dataclass(frozen=True)
class BucketPlace:
    """A bucket, or what lies below a prefix of it.

    Attributes:
        bucket: Its name.
        prefix: Without slashes at its ends; empty for the whole bucket.
    """

    bucket: str
    prefix: str

    @classmethod
    def of(cls, address: str) -> BucketPlace:
        """Return the place of an address.

        Raises:
            ArgumentError: If it is not ``s3://BUCKET`` or ``s3://BUCKET/PREFIX``.
        """
        scheme, _, rest = address.partition('://')
        bucket, _, prefix = rest.strip('/').partition('/')
        if scheme not in _SCHEMES or not bucket:
            msg = f'events come from s3://BUCKET or s3://BUCKET/PREFIX, but got {address!r}'
            raise ArgumentError(msg)
        return cls(bucket, prefix.strip('/'))

    def name_of(self, stored: StoredObject) -> str | None:
        """Return an object's path below this place, or None if it does not lie there."""
        start = f'{self.prefix}/' if self.prefix else ''
        if stored.bucket != self.bucket or not stored.key.startswith(start):
            return None
        return stored.key[len(start) :] or None

    @staticmethod
    def is_photo(name: str) -> bool:
        """Return whether a listing would take an object of this name for a photo."""
        return has_image_suffix(name) and not any(map(is_litter, name.split('/')))


def stored_objects(event: str | Mapping[str, Any]) -> list[StoredObject]:
    """Return the objects that an event says were written.

    Understood are S3's own events, those of EventBridge, and both inside a message of SNS or SQS;
    deletions and S3's test event name no object.

    Args:
        event: JSON text, or what it was read into.

    Raises:
        EventError: If it is something else.
    """
    return list(_objects(event, 0))


def _objects(event: Any, depth: int) -> Iterator[StoredObject]:
    if depth > _DEEPEST:
        _refuse('messages within messages')
    if isinstance(event, str):
        try:
            event = json.loads(event)
        except (ValueError, RecursionError) as err:
            _refuse(f'no JSON ({err})')
    if not isinstance(event, Mapping):
        _refuse(repr(event))
    if event.get('Event') == 's3:TestEvent':
        return
    if event.get('Type') == 'Notification':  # SNS, delivered to a queue
        yield from _objects(event.get('Message'), depth + 1)
    elif event.get('source') == 'aws.s3':  # EventBridge
        if event.get('detail-type') == 'Object Created':
            detail = event.get('detail')
            yield _stored(detail, encoded=False)
    elif isinstance(event.get('Records'), list):
        for record in event['Records']:
            yield from _of_record(record, depth)
    else:
        _refuse(f'an object with {", ".join(map(str, event)) or "nothing"}')


def _of_record(record: Any, depth: int) -> Iterator[StoredObject]:
    if not isinstance(record, Mapping):
        _refuse(f'a record {record!r}')
    if record.get('eventSource') == 'aws:sqs':
        yield from _objects(record.get('body'), depth + 1)
    elif record.get('EventSource') == 'aws:sns':
        message = record.get('Sns')
        yield from _objects(
            message.get('Message') if isinstance(message, Mapping) else None, depth + 1
        )
    elif record.get('eventSource') == 'aws:s3':
        # Events of the S3 API begin with "ObjectCreated:", names in a configuration with "s3:".
        name = str(record.get('eventName', '')).removeprefix('s3:')
        if name.startswith('ObjectCreated:'):
            yield _stored(record.get('s3'), encoded=True)
    else:
        _refuse(f'a record of {record.get("eventSource")!r}')


def _stored(part: Any, encoded: bool) -> StoredObject:
    try:
        bucket, key = part['bucket']['name'], part['object']['key']
    except (KeyError, TypeError):
        bucket = key = None
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        _refuse('a record without bucket and key')
    return StoredObject(bucket, unquote_plus(key) if encoded else key)


def _refuse(what: str) -> NoReturn:
    msg = f'an event of a bucket was expected, but got {what[:200]}'
    raise EventError(msg)
