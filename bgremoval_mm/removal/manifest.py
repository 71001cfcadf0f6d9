"""The record of what was done to each image: one JSON line an image, appended as it is done."""

from __future__ import annotations

import errno
import json
import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bgremoval_mm.removal.images import SourceStamp
from bgremoval_mm.removal.masks import MaskQuality

logger = logging.getLogger(__name__)

FILE_NAME = 'manifest.jsonl'


@dataclass(frozen=True)
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

    def to_json(self) -> str:
        """One line of JSON, without what is empty."""
        kept = {key: value for key, value in asdict(self).items() if value not in (None, '')}
        return json.dumps(kept, ensure_ascii=False, separators=(',', ':'))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """The record of a line.

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
        """Whether this is a success of that model with those parameters."""
        return (self.status, self.model_hash, self.params) == ('ok', model_hash, params)


class Manifest:
    """``manifest.jsonl`` in a folder. Later lines replace earlier ones of the same path.

    Appending is one write a record, so that several processes can share the file. A line
    that a killed process left torn is passed over.

    Args:
        folder: The folder that the manifest describes.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._ends_a_line = False

    def append(self, record: Record) -> None:
        """Add a record.

        Raises:
            OSError: If it cannot be written, e.g. because the disk is full.
        """
        line = (record.to_json() + '\n').encode(errors='surrogateescape')
        if not self._ends_a_line and self._is_torn():
            line = b'\n' + line
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            written = os.write(handle, line)
        finally:
            os.close(handle)
        if written < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._ends_a_line = True

    def _is_torn(self) -> bool:
        """Whether the last line was left without its end by a process that was killed."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return False
        with self.path.open('rb') as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b'\n'

    def read(self) -> dict[str, Record]:
        """The last record of each path."""
        records: dict[str, Record] = {}
        if not self.path.exists():
            return records
        torn = 0
        with self.path.open(encoding='utf-8', errors='surrogateescape') as file:
            for line in file:
                if not line.strip():
                    continue
                try:
                    record = Record.from_json(line)
                except (ValueError, TypeError, KeyError):
                    torn += 1
                    continue
                records[record.path] = record
        if torn:
            logger.warning(
                '%s: %d damaged line(s) passed over; their images are done again', self.path, torn
            )
        return records
