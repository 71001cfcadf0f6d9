"""The work of a removal job: decode ahead, infer, encode and write behind.

A Job knows nothing of resuming, progress or summaries (``folder``), nor of where it runs
(``ray_engine``); it can be pickled, so that other processes do parts of it.
"""

from __future__ import annotations

import errno
import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import numpy as np

from bgremoval_mm.removal.images import ImageError, SourceImage
from bgremoval_mm.removal.manifest import Record
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS
from bgremoval_mm.removal.output import OutputFolder
from bgremoval_mm.removal.places import Place
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.removal.store import MaskStore, StoredMaskError

__all__ = ['Job']

logger = logging.getLogger(__name__)

_T = TypeVar('_T')
_R = TypeVar('_R')

# Conditions of the target that the next image will meet as well.
_FATAL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM))


@dataclass(frozen=True)
class _Loaded:
    path: str
    source: SourceImage | None = None
    inputs: tuple[np.ndarray, ...] = ()
    mask: np.ndarray | None = None
    error: str = ''


@dataclass(frozen=True)
class Job:
    """From which images, by which model, to which results.

    Attributes:
        source: The images.
        target: The results.
        remover: What finds the foreground.
        second: Another model to compare with, or None.
        store: Masks that were made before; only those that it lacks are computed. Or None.
        max_pixels: Larger images are refused before they are decoded.
        max_bytes: Larger files are refused before they are read.
    """

    source: Place
    target: OutputFolder
    remover: BackgroundRemover
    second: BackgroundRemover | None = None
    store: MaskStore | None = None
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES

    def with_threads(self, number: int) -> Job:
        """The same job with networks of that many CPU threads; 0 takes all cores."""
        second = self.second and self.second.for_throughput(number)
        return replace(self, remover=self.remover.for_throughput(number), second=second)

    def is_done(self, path: str, record: Record | None, checksum: bool = False) -> bool:
        """Whether an image's result is there and still right.

        Args:
            path: Path of the image below the source.
            record: What the manifest has of it.
            checksum: Compare the source by content alone, not by size and time.
        """
        if record is None or not record.is_made_by(self.target.spec.hash, self.target.params):
            return False
        if self.second is not None and record.second_model != self.second.spec.name:
            return False
        if record.source is None or not self.target.place.exists(self.target.name(path)):
            return False
        try:
            return self.source.has(path, record.source, checksum)
        except OSError:
            return False

    def run(self, paths: Iterable[str]) -> Generator[Record]:
        """Do these images, in order, with bounded memory; yields what is to be recorded.

        Raises:
            OSError: If the target takes no more: full, read-only, not allowed.
        """
        ahead = 2 * self.remover.batch_size + 2
        threads = max(2, min(8, os.cpu_count() or 1))
        streams = self.remover.backend.streams
        with (
            ThreadPoolExecutor(threads) as readers,
            ThreadPoolExecutor(streams) as runners,
            ThreadPoolExecutor(threads) as writers,
        ):
            writing: deque[Future[Record]] = deque()
            try:
                loaded = _map_ahead(readers, self._load, paths, ahead + streams)
                batches = _batches(loaded, self.remover.batch_size)
                for batch, masks_found in _map_ahead(runners, self._infer_batch, batches, streams):
                    found = iter(masks_found)
                    for item in batch:
                        masks = next(found) if item.inputs else (item.mask,)
                        writing.append(writers.submit(self._write, item, *masks))
                    while len(writing) > ahead:
                        yield writing[0].result()
                        writing.popleft()
                while writing:
                    yield writing[0].result()
                    writing.popleft()
            except (OSError, KeyboardInterrupt):
                # What was written meanwhile is not to be done again.
                for other in writing:
                    with suppress(OSError):
                        yield other.result()
                raise
            finally:
                readers.shutdown(cancel_futures=True)
                runners.shutdown(cancel_futures=True)
                writers.shutdown(cancel_futures=True)

    def _load(self, path: str) -> _Loaded:
        try:
            source = self.source.read_image(path, self.max_pixels, self.max_bytes)
        except ImageError as err:
            return _Loaded(path, error=str(err))
        except OSError as err:
            return _Loaded(path, error=f'cannot be read: {err.strerror or err}')
        known = self._stored(path, source)
        if known is not None:
            return _Loaded(path, source, mask=known)
        removers = [self.remover] if self.second is None else [self.remover, self.second]
        inputs = tuple(remover.preprocess(source.rgb) for remover in removers)
        if isinstance(self.target, MaskStore):
            # Only the size is still needed: many photographs wait here at once.
            source = source.without_pixels()
        return _Loaded(path, source, inputs)

    def _stored(self, path: str, source: SourceImage) -> np.ndarray | None:
        """The mask that was made before of this very content, at the model's resolution."""
        if self.store is None:
            return None
        try:
            stored = self.store.get(path)
        except StoredMaskError as err:
            logger.warning('%s: computed anew', err)
            return None
        if stored is None or stored.source.sha256 != source.stamp.sha256:
            return None
        made_by = (stored.model_hash, stored.params)
        return stored.mask if made_by == (self.store.spec.hash, self.store.params) else None

    def _infer_batch(self, batch: list[_Loaded]) -> tuple[list[_Loaded], list[tuple]]:
        return batch, self._infer([item.inputs for item in batch if item.inputs])

    def _infer(self, inputs: list[tuple[np.ndarray, ...]]) -> list[tuple]:
        """For each image its mask, whether that is constant, and the second model's, if any."""
        if not inputs:
            return []
        first = self.remover.infer(np.stack([each[0] for each in inputs]))
        if self.second is None:
            return [(mask, constant, None) for mask, constant in first]
        other = self.second.infer(np.stack([each[1] for each in inputs]))
        return [
            (mask, constant, second)
            for (mask, constant), (second, _) in zip(first, other, strict=True)
        ]

    def _write(
        self,
        item: _Loaded,
        mask: np.ndarray | None = None,
        constant: bool = False,
        second: np.ndarray | None = None,
    ) -> Record:
        if item.source is None or mask is None:
            return self.target.failure(item.path, item.error)
        compared = None
        if self.second is not None and second is not None:
            compared = (self.second.spec.name, second)
        try:
            return self.target.write(item.path, item.source, mask, constant, compared)
        except OSError as err:
            if err.errno in _FATAL:
                raise
            # E.g. a name that is too long once `.png` is appended: this image's trouble alone.
            reason = f'the result cannot be written: {err.strerror or err}'
            return self.target.failure(item.path, reason)


def _map_ahead(
    pool: ThreadPoolExecutor, function: Callable[[_T], _R], items: Iterable[_T], ahead: int
) -> Iterator[_R]:
    """``map`` in a pool, in order, with at most `ahead` results waiting."""
    remaining = iter(items)
    waiting = deque(pool.submit(function, item) for item in islice(remaining, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(function, item) for item in islice(remaining, 1))
        yield result


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
