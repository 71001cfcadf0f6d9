"""Filling an index: photos that are new or changed are turned into vectors, others stay."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from bgremoval_mm.removal import ImageError, SourceImage, read_image
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.source import SourceStamp
from bgremoval_mm.removal.io.addresses import lies_in
from bgremoval_mm.removal.io.scan import scan_tree
from bgremoval_mm.removal.jobs.progress import progress_bar
from bgremoval_mm.search.folder import IndexFolder
from bgremoval_mm.search.records import Embedder, check_same, new_header
from bgremoval_mm.search.removal import PhotoRemoval, leaves_nothing
from bgremoval_mm.search.shards import Entry, SearchIndexError
from bgremoval_mm.utils.cpu import available_cores
from bgremoval_mm.utils.text import printable

__all__ = ['IndexSummary', 'update_index']

#: A shard is written after so many photos or seconds, whichever comes first.
_SHARD_PHOTOS, _SHARD_SECONDS = 1024, 60.0
#: A batch gets no further photo once it has so many pixels, 384 MB: memory holds about two of them,
#: and three where backgrounds are removed.
_BATCH_PIXELS = 128_000_000


@dataclass
class IndexSummary:
    """What a run has done.

    Attributes:
        added: Photos that are new.
        changed: Photos that were there with other content.
        kept: Photos that were there.
        renamed: Photos that were there under a name that is gone: their vectors stay.
        gone: Photos of the index that have been deleted, or can no longer be read.
        broken: Photos that cannot be read, with the reason.
        blank: Photos of this run of which the removal has left nothing, see ``leaves_nothing``.
        seconds: How long turning photos into vectors took.
    """

    added: int = 0
    changed: int = 0
    kept: int = 0
    renamed: int = 0
    gone: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    blank: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """Photos in the index."""
        return self.added + self.changed + self.kept + self.renamed


def update_index(
    photos: str | Path,
    index: str | Path,
    network: Embedder,
    removal: PhotoRemoval | None = None,
    batch_size: int = 32,
    progress: bool = True,
) -> IndexSummary:
    """Bring an index up to date with a folder of photos, or make it.

    A photo whose size and time of modification are those of the index stays; where only the time or
    only the name differs, its content decides. An interrupted run is resumed by the same call: what
    a shard has is not done again.

    Args:
        photos: The folder; photos are found at any depth, by content.
        index: Folder of the index, outside `photos`.
        network: What turns photos into vectors.
        removal: What removes their backgrounds before; None: they stay.
        batch_size: Photos in one run of the network; fewer where they are large.
        progress: Show progress on standard error.

    Raises:
        ArgumentError: If there is no photo, the index would lie among the photos, or `batch_size`
            is not above 0.
        SearchIndexError: If the index is of another folder, network or removal, damaged, or in use.
        OSError: If the index cannot be written.
    """
    root, folder = Path(photos), IndexFolder(index)
    if batch_size < 1:
        msg = f'`batch_size` must be above 0, but got {batch_size}'
        raise ArgumentError(msg)
    if lies_in(folder.root.resolve(), root):
        msg = f'INDEX must lie outside PHOTOS, but {printable(index)} is in {printable(root)}'
        raise ArgumentError(msg)
    if not root.is_dir():
        msg = f'PHOTOS must be a folder with images, but {printable(root)} is none'
        raise ArgumentError(msg)
    scan = scan_tree(root)
    if not scan.images:
        msg = f'PHOTOS must be a folder with images, but there is no image in {printable(root)}'
        raise ArgumentError(msg)
    _check_header(folder, root, network, removal)
    with folder.writing():
        _write_header(folder, root, network, removal)
        before = folder.entries()
        summary = IndexSummary(broken=dict(scan.unreadable))
        kept, wanted = _compare(root, scan.images, before, summary)
        renamed = _find_renamed(root, scan.images, before, wanted)
        kept |= renamed
        wanted = [path for path in wanted if path not in renamed]
        # Changed photos stay findable until their new vectors are there.
        folder.keep({path: before[path] for path in wanted if path in before} | kept)
        done = _Run(folder, root, network, removal, summary, before)
        try:
            with progress_bar(len(wanted), disable=not progress) as bar:
                for count in done.embed(wanted, batch_size):
                    bar.update(count)
        finally:
            done.write()
        current = done.paths | kept.keys()
        folder.keep({path: each for path, each in folder.entries().items() if path in current})
        folder.compact()
        folder.write_broken(summary.broken)
    summary.renamed = len(renamed)
    summary.kept = len(kept) - summary.renamed
    summary.gone = len(before.keys() - kept.keys() - done.paths) - summary.renamed
    return summary


def _check_header(
    folder: IndexFolder, root: Path, network: Embedder, removal: PhotoRemoval | None
) -> None:
    header = folder.read_header()
    if header is None:
        folder.check_new()
        return
    if header.photos != str(root.resolve()):
        msg = (
            f'{printable(folder.root)} is an index of {printable(header.photos)}, but PHOTOS is '
            f'{printable(root.resolve())}: make another index'
        )
        raise SearchIndexError(msg)
    record = None if removal is None else removal.record
    check_same(header, network.record, record, folder.root)


def _write_header(
    folder: IndexFolder, root: Path, network: Embedder, removal: PhotoRemoval | None
) -> None:
    """Write where the network and the model of the removal are now, unless the index has that."""
    record = None if removal is None else removal.record
    header, former = new_header(str(root.resolve()), network.record, record), folder.read_header()
    if former is not None:
        header = replace(header, dimension=former.dimension)
    if header != former:
        folder.write_header(header)


def _compare(
    root: Path, images: Sequence[str], before: Mapping[str, Entry], summary: IndexSummary
) -> tuple[dict[str, Entry], list[str]]:
    """Return which photos can stay, and which are to be turned into vectors."""
    kept: dict[str, Entry] = {}
    wanted: list[str] = []
    for path in images:
        entry = before.get(path)
        try:
            if entry is None or not entry.stamp.matches(root / path):
                wanted.append(path)
            else:
                status = (root / path).stat()
                stamp = replace(entry.stamp, mtime_ns=status.st_mtime_ns)
                kept[path] = entry._replace(stamp=stamp)
        except FileNotFoundError:
            continue  # gone since the folder was listed
        except OSError as err:
            summary.broken[path] = f'the file cannot be read: {err.strerror or err}'
    return kept, wanted


def _find_renamed(
    root: Path, images: Sequence[str], before: Mapping[str, Entry], wanted: Sequence[str]
) -> dict[str, Entry]:
    """Return the new photos that have the content of one whose file is gone.

    A vector goes to one of them: rows of a shard belong to one photo each.
    """
    gone = before.keys() - set(images)
    left = {before[path].stamp.sha256: before[path] for path in gone}
    sizes = {entry.stamp.bytes for entry in left.values()}
    found: dict[str, Entry] = {}
    for path in wanted:
        if path in before or not left:
            continue
        # What cannot be read here is named when it is to be turned into a vector.
        with suppress(OSError):
            status = (root / path).stat()
            if status.st_size not in sizes:
                continue
            stamp = SourceStamp.of((root / path).read_bytes(), status.st_mtime_ns)
            if stamp.sha256 in left:
                found[path] = left.pop(stamp.sha256)._replace(stamp=stamp)
    return found


class _Run:
    """Turns photos into vectors, and writes them shard by shard."""

    def __init__(
        self,
        folder: IndexFolder,
        root: Path,
        network: Embedder,
        removal: PhotoRemoval | None,
        summary: IndexSummary,
        before: Mapping[str, Entry],
    ) -> None:
        self._folder, self._root = folder, root
        self._network, self._removal = network, removal
        self._summary, self._before = summary, before
        self._vectors: list[np.ndarray] = []
        self._sources: dict[str, SourceImage] = {}
        self._dimension = 0
        self.paths: set[str] = set()

    def embed(self, paths: Sequence[str], batch_size: int) -> Iterator[int]:
        """Go through photos; yield how many each step has done."""
        began = written = time.monotonic()
        for batch in _read_ahead(self._root, paths, batch_size):
            good = {path: each for path, each in batch.items() if not isinstance(each, str)}
            self._summary.broken |= {
                path: each for path, each in batch.items() if isinstance(each, str) and each
            }
            if good:
                images = [each.rgb for each in good.values()]
                if self._removal is not None:
                    images, masks = self._removal(images)
                    self._summary.blank += [
                        path for path, mask in zip(good, masks, strict=True) if leaves_nothing(mask)
                    ]
                self._vectors.append(self._network.embed(images))
                self._sources |= {path: each.without_pixels() for path, each in good.items()}
            now = time.monotonic()
            self._summary.seconds = now - began
            if len(self._sources) >= _SHARD_PHOTOS or now - written > _SHARD_SECONDS:
                self.write()
                written = now
            yield len(batch)

    def write(self) -> None:
        """Write what is not yet written."""
        if not self._sources:
            return
        vectors = np.concatenate(self._vectors)
        self._folder.append(vectors, {path: each.stamp for path, each in self._sources.items()})
        changed = sum(path in self._before for path in self._sources)
        self._summary.changed += changed
        self._summary.added += len(self._sources) - changed
        self.paths |= self._sources.keys()
        self._vectors, self._sources = [], {}
        header = self._folder.read_header()
        if header is not None and not header.dimension:
            self._folder.write_header(replace(header, dimension=vectors.shape[1]))


def _read_ahead(
    root: Path, paths: Sequence[str], batch_size: int
) -> Iterator[dict[str, SourceImage | str]]:
    """Yield batches of photos, or why they cannot be read; about as many are read meanwhile."""
    threads = max(1, min(8, available_cores()))
    with ThreadPoolExecutor(threads) as pool:
        remaining, most = iter(paths), threads
        ahead: deque[tuple[str, Future[SourceImage | str]]] = deque()
        batch: dict[str, SourceImage | str] = {}
        pixels = 0
        try:
            while True:
                for path in islice(remaining, max(0, most - len(ahead))):
                    ahead.append((path, pool.submit(_read, root / path)))
                if batch and (not ahead or len(batch) >= batch_size or pixels >= _BATCH_PIXELS):
                    most = max(threads, len(batch))
                    yield batch
                    batch, pixels = {}, 0
                if not ahead:
                    return
                path, future = ahead.popleft()
                batch[path] = found = future.result()
                pixels += 0 if isinstance(found, str) else found.rgb[..., 0].size
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _read(path: Path) -> SourceImage | str:
    """Return a photo, or why it cannot be read; nothing if it is gone since it was listed."""
    try:
        return read_image(path).as_array()
    except FileNotFoundError:
        return ''
    except ImageError as err:
        return str(err)
    except OSError as err:
        return f'the file cannot be read: {err.strerror or err}'
