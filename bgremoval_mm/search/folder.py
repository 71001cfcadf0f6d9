"""The folder of an index: shards of vectors, what they were made by, and what cannot be read.

::

    index.json     what made the vectors, and of which folder's photos; see IndexHeader
    shards/        the vectors; see ``search.shards``
    broken.csv     photos that cannot be read: path, reason
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bgremoval_mm.search.shards import Entry, SearchIndexError, ShardFolder
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically
from bgremoval_mm.utils.json_io import read_json, write_json
from bgremoval_mm.utils.text import printable

__all__ = ['Entry', 'IndexFolder', 'IndexHeader', 'SearchIndexError']

_FORMAT, _VERSION = 'bgremoval_mm search index', 1
_OURS = frozenset(('.lock', 'shards', 'index.json', 'broken.csv'))


@dataclass(frozen=True)
class IndexHeader:
    """What made the vectors of an index, and of which photos.

    Attributes:
        photos: Absolute path of the folder of photos.
        dimension: Length of a vector; 0 while there is none.
        network: Fields of a NetworkRecord.
        removal: Fields of a RemovalRecord; None: backgrounds stay.
    """

    photos: str
    dimension: int
    network: dict[str, Any]
    removal: dict[str, Any] | None


class IndexFolder(ShardFolder):
    """An index on disk.

    Args:
        root: Its folder; need not exist.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        super().__init__(self.root / 'shards')
        self._header = self.root / 'index.json'

    def read_header(self) -> IndexHeader | None:
        """Return the header; None if there is no index.

        Raises:
            SearchIndexError: If the file is none of ours, or of a later version.
        """
        content: Any = {}
        with suppress(ValueError):
            content = read_json(self._header)
        if content is None:
            return None
        if content.get('format') != _FORMAT or content.get('version') != _VERSION:
            msg = (
                f'{printable(self._header)} must be of a {_FORMAT}, version {_VERSION}, but has '
                f'{content.get("format")!r}, version {content.get("version")!r}'
            )
            raise SearchIndexError(msg)
        try:
            return IndexHeader(**{key: content[key] for key in IndexHeader.__annotations__})
        except KeyError as err:
            msg = f'{printable(self._header)} is damaged: it lacks {err}'
            raise SearchIndexError(msg) from err

    def check_new(self) -> None:
        """Check that an index can be made here.

        Raises:
            SearchIndexError: If there is something else.
        """
        if self.root.exists() and not self.root.is_dir():
            msg = f'INDEX must be a folder, but {printable(self.root)} is a file'
            raise SearchIndexError(msg)
        names = [each.name for each in self.root.iterdir()] if self.root.is_dir() else []
        others = sorted(set(names) - _OURS)
        if others:
            msg = (
                f'INDEX must be a new or an empty folder, or an index, but {printable(self.root)} '
                f'holds {printable(others[0])}'
            )
            raise SearchIndexError(msg)

    def write_header(self, header: IndexHeader) -> None:
        """Write the header, and make the folder."""
        self.shard_folder.mkdir(parents=True, exist_ok=True)
        write_json(self._header, {'format': _FORMAT, 'version': _VERSION, **asdict(header)})

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other runs from writing to the index meanwhile.

        Raises:
            SearchIndexError: If another one is writing to it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / '.lock').open('w') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as err:
                msg = f'another run is writing to {printable(self.root)}: wait until it has ended'
                raise SearchIndexError(msg) from err
            sweep_leftovers(self.root)
            sweep_leftovers(self.shard_folder)
            yield

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """Return names, times and sizes of the files that count: others after each change."""
        found = []
        for path in (self._header, *sorted(self.shard_folder.glob('*.jsonl'))):
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append((path.name, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def write_broken(self, reasons: Mapping[str, str]) -> None:
        """Write, or delete, the list of photos that cannot be read."""
        path = self.root / 'broken.csv'
        if not reasons:
            path.unlink(missing_ok=True)
            return
        from bgremoval_mm.utils.tables import csv_bytes

        rows = [{'path': printable(name), 'reason': why} for name, why in reasons.items()]
        write_atomically(path, csv_bytes(('path', 'reason'), rows))
