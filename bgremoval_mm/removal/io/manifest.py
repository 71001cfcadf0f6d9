"""The record of what was done to each image: one line of JSON per image, appended as it is done."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.source import SourceStamp
from bgremoval_mm.removal.io.storage import Storage, open_storage
from bgremoval_mm.removal.masks.quality import MaskQuality
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS
from bgremoval_mm.utils.text import printable

logger = logging.getLogger(__name__)

FILE_NAME = 'manifest.jsonl'
_HOLD_RECORDS = 1000
_HOLD_SECONDS = 60
# Bytes of a name that are not UTF-8, and what Python's `splitlines` takes for the end of a line.
_ESCAPED = re.compile('[\ud800-\udfff\x85\u2028\u2029]')
_START = b'{"path":'
_FIGURES = {each.name for each in dataclass_fields(MaskQuality)}


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
    """The outcome of one image.

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
        pillow: Version of Pillow that resized image and mask: 13 resizes tall images in another
            order of passes than 12, and the masks differ a little. Nothing in manifests of earlier
            versions, and where the image failed.
        file: Address of the file that it was read from; never written, as the file's lines are its
            own.
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
    pillow: str = ''
    file: str = field(default='', compare=False)

    @property
    def max_pixels(self) -> int:
        """The limit to read the image with again: what was let in once stays so."""
        width, height = self.size or (0, 0)
        return max(MAX_PIXELS, width * height)

    @property
    def max_bytes(self) -> int:
        """The same for the size of its file."""
        return max(MAX_BYTES, self.source.bytes if self.source else 0)

    def to_json(self) -> str:
        """Return one line of JSON, without what is empty, that is valid UTF-8."""
        said = asdict(replace(self, file=''))
        kept = {key: value for key, value in said.items() if value not in (None, '', 0.0)}
        line = json.dumps(kept, ensure_ascii=False, separators=(',', ':'))
        return _ESCAPED.sub(lambda found: f'\\u{ord(found[0]):04x}', line)

    @classmethod
    def from_json(cls, line: str, file: str = '') -> Record:
        """Return the record of a line, which was read from that file.

        Raises:
            ValueError, TypeError, KeyError: If the line is not a whole record.
        """
        fields = json.loads(line) | {'file': file}
        if 'source' in fields:
            fields['source'] = SourceStamp(**fields['source'])
        if 'size' in fields:
            fields['size'] = tuple(fields['size'])
        if 'quality' in fields:
            # A later version may know figures that we do not, and further fields.
            figures = {key: fields['quality'][key] for key in _FIGURES & set(fields['quality'])}
            fields['quality'] = MaskQuality(**figures | {'flags': tuple(figures['flags'])})
        return cls(**{key: value for key, value in fields.items() if key in cls.__slots__})

    def is_made_by(self, model_hash: str, params: dict[str, Any]) -> bool:
        """Return whether this is a success of that model with those parameters."""
        return (self.status, self.model_hash, self.params) == ('ok', model_hash, params)


class Manifest:
    """``manifest.jsonl`` in a folder: of two lines on one path, the later one holds.

    A job that does a part of the folder's images has a file of its own beside it,
    ``manifest-<part>.jsonl``, so that jobs on many machines do not write to one file; reading
    reads them all. Appending is one write per record, so that several processes of one machine
    can share a file. A line that a killed process left torn is skipped.

    Storage that takes only whole files gets a numbered file every 1,000 records, and every
    minute, so that a job that is killed loses the records of its last minute at most; their
    images are then done again.

    Args:
        folder: The folder that the manifest describes: a path, an address, or its storage.
        part: Name of the part, or nothing.
    """

    def __init__(self, folder: str | Path | Storage, part: str = '') -> None:
        self._storage = open_storage(folder)
        self._name = _file_name(part)
        self.address = self._storage.address_of(self._name)
        self._prefix = '-'.join(filter(None, (part, f'{time.time_ns():x}')))
        self._held: list[bytes] = []
        self._number = 0
        self._since = time.monotonic()

    @property
    def path(self) -> Path:
        """The file that records are appended to, in a folder of this machine."""
        return Path(self.address)

    def exists(self) -> bool:
        """Return whether there is anything to read."""
        return bool(self._files())

    def begin(self) -> None:
        """Make an empty file, which marks the folder as one of results.

        Raises:
            TargetWriteError: If it cannot be written.
        """
        if self._storage.can_append:
            with writing():
                self._storage.append(self._name, b'')
        else:
            self._write(b'')

    def append(self, record: Record) -> None:
        """Add a record, which may be held back for a while where files cannot grow.

        Raises:
            TargetWriteError: If it cannot be written, e.g. because the disk is full.
        """
        line = f'{record.to_json()}\n'.encode()
        if self._storage.can_append:
            with writing():
                self._storage.append(self._name, line)
            return
        self._held.append(line)
        if len(self._held) >= _HOLD_RECORDS or time.monotonic() - self._since > _HOLD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is held back.

        Raises:
            TargetWriteError: If it cannot be written.
        """
        self._since = time.monotonic()
        if self._held:
            self._write(b''.join(self._held))
            self._held.clear()

    def records(self) -> Iterator[Record]:
        """Yield every record that is written, superseded ones among them, one at a time."""
        for name in self._files():
            yield from _parse(self._storage.lines(name), self._storage.address_of(name))

    def read(self) -> dict[str, Record]:
        """Return the last record of each path."""
        return latest(self.records())

    def _write(self, lines: bytes) -> None:
        """Write the next numbered file."""
        with writing():
            self._storage.write(_file_name(f'{self._prefix}-{self._number:06}'), lines)
        self._number += 1

    def _files(self) -> list[str]:
        return self._storage.glob(_file_name('*', separator=''))


def _file_name(part: str, separator: str = '-') -> str:
    return FILE_NAME.replace('.', f'{separator if part else ""}{part}.')


def latest(records: Iterable[Record]) -> dict[str, Record]:
    """Return the last record of each path.

    Of two in one file the later one holds: the clock may have been ahead when the other was made.
    Of several files, whose lines follow each other, the newest holds; of two made at one time, the
    later in order.
    """
    found: dict[str, Record] = {}
    for _, lines in groupby(records, attrgetter('file')):
        last = {record.path: record for record in lines}
        if not found:
            found = last  # most often the only file, which may be large: not copied
            continue
        for path, record in last.items():
            if path not in found or record.time >= found[path].time:
                found[path] = record
    return found


def _parse(lines: Iterable[bytes], source: str) -> Iterator[Record]:
    torn = 0
    for line in filter(bytes.strip, lines):
        record = _whole(line, source)
        if record is None:
            torn += 1
            # A record may follow on the same line, written by another process.
            start = line.rfind(_START)
            record = _whole(line[start:], source) if start > 0 else None
        if record is not None:
            yield record
    if torn:
        logger.warning(
            '%s: %d damaged line(s) skipped; their images are done again',
            printable(source),
            torn,
        )


def _whole(line: bytes, source: str) -> Record | None:
    try:
        return Record.from_json(line.decode(errors='surrogateescape'), source)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
