"""The record of what was done to each image: one JSON line an image, appended as it is done."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.reading import SourceStamp
from bgremoval_mm.removal.io.local_storage import UrlPlace
from bgremoval_mm.removal.masks.functional import MaskQuality
from bgremoval_mm.utils.text import printable

logger = logging.getLogger(__name__)

FILE_NAME = 'manifest.jsonl'
_HOLD_RECORDS = 1000
_HOLD_SECONDS = 60
# Bytes of a name that are no UTF-8, and what Python's `splitlines` takes for the end of a line.
_ESCAPED = re.compile('[\ud800-\udfff\x85\u2028\u2029]')
_START = b'{"path":'


class TargetWriteError(BgremovalError, OSError):
    """A result or a record cannot be written; `errno` is that of the target's own error."""


@contextmanager
def writing() -> Iterator[None]:
    """Raise a TargetWriteError where the target refuses to be written to."""
    try:
        yield
    except TargetWriteError:
        raise
    except OSError as err:
        raise TargetWriteError(err.errno, err.strerror or str(err), err.filename) from err


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one image.

    Attributes:
        path: Path below the source folder, with ``/``.
        status: ``'ok'`` or ``'error'``.
        error: The reason, if status is ``'error'``.
        source: Which bytes were read, or None if they could not be.
        size: (width, height) of the upright image in pixels, or None.
        orientation: The image's EXIF orientation, 1 to 8.
        model: Name of the model.
        model_hash: Hash of its weights, as in the catalogue.
        params: Everything else that the output depends on.
        quality: Figures on the mask, or None.
        note: What a user should know.
        time: When it was done, in seconds since 1970.
        second_model: Name of the model whose mask this one was compared with, or nothing.
    """

    path: str
    status: str
    model: str
    model_hash: str
    params: dict[str, Any] = field(default_factory=dict)
    error: str = ''
    source: SourceStamp | None = None
    size: tuple[int, int] | None = None
    orientation: int = 1
    quality: MaskQuality | None = None
    note: str = ''
    time: float = 0.0
    second_model: str = ''

    def to_json(self) -> str:
        """Return one line of JSON, without what is empty, that is valid UTF-8."""
        kept = {key: value for key, value in asdict(self).items() if value not in (None, '', 0.0)}
        line = json.dumps(kept, ensure_ascii=False, separators=(',', ':'))
        return _ESCAPED.sub(lambda found: f'\\u{ord(found[0]):04x}', line)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Return the record of a line.

        Raises:
            ValueError, TypeError, KeyError: If the line is no whole record.
        """
        fields = json.loads(line)
        if 'source' in fields:
            fields['source'] = SourceStamp(**fields['source'])
        if 'size' in fields:
            fields['size'] = tuple(fields['size'])
        if 'quality' in fields:
            flags = tuple(fields['quality'].pop('flags'))
            fields['quality'] = MaskQuality(**fields['quality'], flags=flags)
        return cls(**fields)

    def is_made_by(self, model_hash: str, params: dict[str, Any]) -> bool:
        """Return whether this is a success of that model with those parameters."""
        return (self.status, self.model_hash, self.params) == ('ok', model_hash, params)


class Manifest:
    """``manifest.jsonl`` in a folder: of two lines on one path, the later one holds.

    A job that does a part of the folder's images has a file of its own beside it,
    ``manifest-<part>.jsonl``, so that jobs on many machines do not write to one file; reading
    reads them all. Appending is one write a record, so that several processes of one machine
    can share a file. A line that a killed process left torn is passed over.

    Args:
        folder: The folder that the manifest describes.
        part: Name of the part, or nothing.
    """

    def __init__(self, folder: Path, part: str = '') -> None:
        self.folder = folder
        self.path = folder / _file_name(part)
        self.address = str(self.path)
        self._ends_a_line = False

    def exists(self) -> bool:
        """Return whether there is anything to read."""
        return any(True for _ in self._files())

    def append(self, record: Record) -> None:
        """Add a record.

        Raises:
            TargetWriteError: If it cannot be written, e.g. because the disk is full.
        """
        line = (record.to_json() + '\n').encode()
        with writing():
            if not self._ends_a_line and self._is_torn():
                line = b'\n' + line
            self._ends_a_line = False
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                written = os.write(handle, line)
            finally:
                os.close(handle)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            self._ends_a_line = True

    def _is_torn(self) -> bool:
        """Return whether the last line was left without its end by a process that was killed."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return False
        with self.path.open('rb') as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b'\n'

    def flush(self) -> None:
        """Nothing is held back."""

    def records(self) -> Iterator[Record]:
        """Yield every record, superseded ones among them, one at a time."""
        for path in self._files():
            with path.open('rb') as file:  # whose lines end at b'\n' alone
                yield from _parse(file, str(path))

    def read(self) -> dict[str, Record]:
        """Return the last record of each path."""
        return latest(self.records())

    def _files(self) -> Iterator[Path]:
        found = sorted(self.folder.glob(_file_name('*', separator='')))
        return (path for path in found if path.is_file())


class RemoteManifest:
    """The same in a place that only takes whole files: a numbered file every 1,000 records.

    Also after a minute, so that a job that is killed loses the records of its last minute at
    most; their images are then done again.

    Args:
        place: The place that the manifest describes.
        part: See Manifest.
    """

    def __init__(self, place: UrlPlace, part: str = '') -> None:
        self._place = place
        self.address = f'{place.address}/{_file_name(part)}'
        self._prefix = '-'.join(filter(None, (part, f'{time.time_ns():x}')))
        self._held: list[Record] = []
        self._number = 0
        self._since = time.monotonic()

    def exists(self) -> bool:
        """Return whether there is anything to read."""
        return any(True for _ in self._files())

    def append(self, record: Record) -> None:
        """Add a record, which may be held back for a while."""
        self._held.append(record)
        if len(self._held) >= _HOLD_RECORDS or time.monotonic() - self._since > _HOLD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is held back.

        Raises:
            TargetWriteError: If it cannot be written.
        """
        self._since = time.monotonic()
        if self._held:
            lines = ''.join(record.to_json() + '\n' for record in self._held)
            name = _file_name(f'{self._prefix}-{self._number:06}')
            with writing():
                self._place.write(name, lines.encode())
            self._number += 1
            self._held.clear()

    def records(self) -> Iterator[Record]:
        """Yield every record that is written, superseded ones among them, one at a time."""
        for name in self._files():
            lines = self._place.read(name).split(b'\n')
            yield from _parse(lines, f'{self._place.address}/{name}')

    def read(self) -> dict[str, Record]:
        """Return the last record of each path."""
        return latest(self.records())

    def _files(self) -> Iterator[str]:
        pattern = _file_name('*', separator='')
        return (name for name in self._place.names() if fnmatch(name, pattern))


def _file_name(part: str, separator: str = '-') -> str:
    return FILE_NAME.replace('.', f'{separator if part else ""}{part}.')


def latest(records: Iterable[Record]) -> dict[str, Record]:
    """Return the last record of each path; of two made at one time, the later in order."""
    found: dict[str, Record] = {}
    for record in records:
        known = found.get(record.path)
        if known is None or record.time >= known.time:
            found[record.path] = record
    return found


def _parse(lines: Iterable[bytes], source: str) -> Iterator[Record]:
    torn = 0
    for line in filter(bytes.strip, lines):
        record = _whole(line)
        if record is None:
            torn += 1
            # A record may follow on the same line, written by another process.
            start = line.rfind(_START)
            record = _whole(line[start:]) if start > 0 else None
        if record is not None:
            yield record
    if torn:
        logger.warning(
            '%s: %d damaged line(s) passed over; their images are done again',
            printable(source),
            torn,
        )


def _whole(line: bytes) -> Record | None:
    try:
        return Record.from_json(line.decode(errors='surrogateescape'))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
