"""Inbox: uploads over HTTP for the workers of `bgremoval pipeline`, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import exc, select
from sqlalchemy.orm import Session

from bgremoval_mm.pipeline.files import PipelineFiles, check_name
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.tables import Upload
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.formats import HEAD, kind_of
from bgremoval_mm.serving.engine import ACCEPTED
from bgremoval_mm.serving.errors import RequestError

__all__ = ['Inbox', 'Receipt']

_LONGEST_PART = 200  # bytes between two slashes: file systems take 255, and results get an ending
_LONGEST = 900  # bytes: stores of objects take 1,024, and results have a place before their name
_UNAVAILABLE = (exc.OperationalError, exc.TimeoutError, OSError)  # the second: all are in use
_MOST = 2**31 - 1  # highest number that the database holds


@dataclass(frozen=True)
class Receipt:
    """What is told of an upload.

    Attributes:
        is_new: Whether it came just now.
        body: Its number, name, version, state and so on, for JSON.
    """

    is_new: bool
    body: dict[str, Any]


class Inbox:
    """Receives uploads, for other processes to work on. Its functions block: call them in threads.

    Args:
        queue: The uploads.
        files: Their files.
    """

    def __init__(self, queue: UploadQueue, files: PipelineFiles) -> None:
        self._queue = queue
        self._files = files

    def receive(self, name: str, content: bytes) -> Receipt:
        """Store and record an upload; the same bytes under the same name again are the same one.

        Raises:
            RequestError: If name or file are not accepted, or they cannot be stored at present.
        """
        _check(name)
        kind = kind_of(content[:HEAD])
        if kind not in ACCEPTED:
            names = ', '.join(each.name for each in ACCEPTED)
            detail = f'{kind.name if kind else "this"} is not accepted; take one of {names}'
            raise RequestError(400, 'invalid_file_type', 'Not an accepted kind of file', detail)
        try:
            number, is_new = receive_bytes(self._queue, self._files, name, content, 'HTTP')
            return Receipt(is_new, self._told(number))
        except _UNAVAILABLE as err:
            raise _away() from err

    def find(self, number: int) -> dict[str, Any]:
        """Return what is known of an upload, with its history.

        Raises:
            RequestError: If there is none of that number, or the database does not answer.
        """
        try:
            found = self._told(number)
            changes = self._queue.history(number)
        except _UNAVAILABLE as err:
            raise _away() from err
        history = [
            {'at': each.at, 'before': each.before, 'after': each.after, 'reason': each.reason}
            for each in changes
        ]
        return found | {'history': history}

    def _told(self, number: int) -> dict[str, Any]:
        found = None
        if 0 < number <= _MOST:
            with Session(self._queue.engine) as session:
                found = session.scalar(select(Upload).where(Upload.id == number))
        if found is None:
            raise RequestError(404, 'unknown_upload', 'There is no such upload', f'got {number}')
        keys = ('id', 'name', 'version', 'state', 'route', 'model', 'result')
        told = {key: getattr(found, key) for key in keys}
        return told | {'reasons': found.reasons.split('; ') if found.reasons else []}


def _check(name: str) -> None:
    try:
        size = len(check_name(name).encode())
    except ArgumentError as err:
        raise RequestError(
            400, 'invalid_parameter', 'A parameter is not valid', f'`name`: {err}'
        ) from None
    longest = max(len(part.encode()) for part in name.split('/'))
    if size > _LONGEST or longest > _LONGEST_PART or not name.isprintable():
        detail = (
            f'`name` must be printable, with {_LONGEST} bytes at most in all and {_LONGEST_PART} '
            'between slashes'
        )
        raise RequestError(400, 'invalid_parameter', 'A parameter is not valid', detail)


def _away() -> RequestError:
    title = 'Uploads cannot be stored or looked up at present'
    return RequestError(503, 'storage_unavailable', title, headers={'Retry-After': '10'})
