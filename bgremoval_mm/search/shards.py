"""The vectors of an index: memory-mapped shards, and what each of their rows is of.

::

    000001.npy      float32 of shape (n, D), numpy's format 1.0, each row of length 1
    000001.jsonl    a line for each row that counts: row, path, bytes, mtime_ns, sha256

A shard's lines are written after its vectors: vectors without lines do not count. A row without a
line does not count either: its photo has been deleted or changed. If two shards have a photo, the
one with the higher number counts. So each state between two writes is a whole index, and a run that
is killed loses only the photos of the shard that it was about to write.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.source import SourceStamp
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['Entry', 'SearchIndexError', 'ShardFolder']

#: Rows of a shard that shards are merged into.
_SHARD_ROWS = 65_536
#: Shards with fewer rows are merged when there are more of them, or when too many rows are unused.
_SMALL_ROWS, _SMALL_SHARDS, _UNUSED_SHARE = 16_384, 8, 0.25


class SearchIndexError(BgremovalError, ValueError):
    """An index is damaged, of another kind, in use, or was made by something else."""


class Entry(NamedTuple):
    """Where the vector of a photo is, and which bytes it was made from."""

    shard: int
    row: int
    stamp: SourceStamp


class ShardFolder:
    """The shards on disk.

    Args:
        shard_folder: Their folder; need not exist.
    """

    def __init__(self, shard_folder: Path) -> None:
        self.shard_folder = shard_folder

    def entries(self) -> dict[str, Entry]:
        """Return the photos, in the order of their vectors.

        Raises:
            SearchIndexError: If a shard is damaged.
        """
        found: dict[str, Entry] = {}
        for shard in self.shards():
            for path, entry in self._lines(shard):
                found.pop(path, None)
                found[path] = entry
        return found

    def shards(self) -> list[int]:
        """Return the numbers of the shards that count."""
        return sorted(
            int(path.stem) for path in self.shard_folder.glob('*.jsonl') if path.stem.isdigit()
        )

    def vectors(self, shard: int) -> np.ndarray:
        """Return a shard's vectors, memory-mapped.

        Raises:
            SearchIndexError: If they are damaged or not there.
        """
        path = self.shard_folder / f'{shard:06}.npy'
        try:
            vectors: np.ndarray = np.load(path, mmap_mode='r', allow_pickle=False)
        except (OSError, ValueError) as err:
            msg = f'{printable(path)} is damaged or missing ({err}): make the index again'
            raise SearchIndexError(msg) from err
        if vectors.dtype != np.float32 or vectors.ndim != 2:
            msg = f'{printable(path)} must hold float32 vectors, but holds {vectors.dtype}'
            raise SearchIndexError(msg)
        return vectors

    def append(self, vectors: np.ndarray, stamps: Mapping[str, SourceStamp]) -> int:
        """Write a new shard; return its number.

        Args:
            vectors: float32 of shape (N, D).
            stamps: Of which bytes of which photos they are, in their order.
        """
        shard = max(self.shards(), default=0) + 1
        content = io.BytesIO()
        np.save(content, vectors, allow_pickle=False)
        write_atomically(self.shard_folder / f'{shard:06}.npy', content.getvalue())
        rows = {path: Entry(shard, row, stamp) for row, (path, stamp) in enumerate(stamps.items())}
        self._write_lines(shard, rows)
        return shard

    def replace(self, shard: int, entries: Mapping[str, Entry]) -> None:
        """Write what counts of a shard; a shard of which nothing counts is deleted."""
        if entries:
            self._write_lines(shard, entries)
            return
        for suffix in ('jsonl', 'npy'):
            (self.shard_folder / f'{shard:06}.{suffix}').unlink(missing_ok=True)

    def keep(self, kept: Mapping[str, Entry]) -> None:
        """Drop all photos but these, and vectors that a killed run left without lines."""
        by_shard: dict[int, dict[str, Entry]] = {}
        for path, entry in kept.items():
            by_shard.setdefault(entry.shard, {})[path] = entry
        for shard in self.shards():
            if dict(self._lines(shard)) != by_shard.get(shard, {}):
                self.replace(shard, by_shard.get(shard, {}))
        counted = set(self.shards())
        for file in self.shard_folder.glob('*.npy'):
            if file.stem.isdigit() and int(file.stem) not in counted:
                file.unlink()

    def compact(self) -> None:
        """Merge small shards, and those of which much does not count, where there are many."""
        entries = self.entries()
        rows = {shard: len(self.vectors(shard)) for shard in self.shards()}
        used = dict.fromkeys(rows, 0)
        for entry in entries.values():
            used[entry.shard] += 1
        poor = [
            shard
            for shard, count in rows.items()
            if count < _SMALL_ROWS or used[shard] < (1 - _UNUSED_SHARE) * count
        ]
        unused = sum(rows.values()) - len(entries)
        if len(poor) <= _SMALL_SHARDS and unused <= _UNUSED_SHARE * sum(rows.values()):
            return
        moved = [(path, entry) for path, entry in entries.items() if entry.shard in set(poor)]
        for start in range(0, len(moved), _SHARD_ROWS):
            part = moved[start : start + _SHARD_ROWS]
            vectors = self._gather([entry for _, entry in part])
            self.append(vectors, {path: entry.stamp for path, entry in part})
        for shard in poor:
            self.replace(shard, {})

    def _gather(self, entries: Sequence[Entry]) -> np.ndarray:
        shards = {shard: self.vectors(shard) for shard in {entry.shard for entry in entries}}
        return np.stack([shards[entry.shard][entry.row] for entry in entries])

    def _lines(self, shard: int) -> Iterator[tuple[str, Entry]]:
        path = self.shard_folder / f'{shard:06}.jsonl'
        try:
            for line in path.read_bytes().splitlines():
                fields = json.loads(line)
                row, name = fields.pop('row'), fields.pop('path')
                yield name, Entry(shard, row, SourceStamp(**fields))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            msg = f'{printable(path)} is damaged or missing ({err}): make the index again'
            raise SearchIndexError(msg) from err

    def _write_lines(self, shard: int, entries: Mapping[str, Entry]) -> None:
        # JSON in ASCII: names may hold bytes that are no UTF-8, and whatever ends a line.
        lines = [
            json.dumps({'row': entry.row, 'path': path, **asdict(entry.stamp)})
            for path, entry in entries.items()
        ]
        content = ''.join(f'{line}\n' for line in lines)
        write_atomically(self.shard_folder / f'{shard:06}.jsonl', content.encode('ascii'))
