"""The work of a removal job: decode ahead, infer, encode and write behind.

A Job knows nothing of resuming, progress or summaries (``run``), nor of where it runs
(``ray_engine``); it can be pickled, so that other processes do parts of it.
"""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from bgremoval_mm.removal.images.reading import ImageError, SourceImage
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.io.storage import Storage
from bgremoval_mm.removal.jobs.given_masks import masks_command
from bgremoval_mm.removal.jobs.pool import DaemonPool, StalledError, result_within
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.outputs.mask_store import MaskStore, StoredMaskError, mask_problem
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.removal.zoo.weights import is_downloading
from bgremoval_mm.utils.cpu import available_cores
from bgremoval_mm.utils.text import printable

__all__ = ['Job']

logger = logging.getLogger(__name__)

_T = TypeVar('_T')
_R = TypeVar('_R')

# Seconds: TensorRT and TorchInductor may prepare for minutes, but not for this long.
STALL_LIMIT = 600.0

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
        remover: What finds the foreground; None, where masks come from `store` alone.
        second: Another model to compare with, or None.
        store: Masks that were made before; only those that it lacks are computed. Or None.
        max_pixels: Larger images are refused before they are decoded.
        max_bytes: Larger files are refused before they are read.
        stall_limit: Seconds without a finished image after which the job is given up.
    """

    source: Storage
    target: OutputFolder
    remover: BackgroundRemover | None
    second: BackgroundRemover | None = None
    store: MaskStore | None = None
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    stall_limit: float = STALL_LIMIT

    def with_threads(self, number: int) -> Job:
        """Return the same job with networks of that many CPU threads; 0 takes all cores."""
        first, second = (each and each.for_throughput(number) for each in self._removers)
        return replace(self, remover=first, second=second)

    @property
    def _removers(self) -> tuple[BackgroundRemover | None, BackgroundRemover | None]:
        return self.remover, self.second

    def is_done(self, path: str, record: Record | None, checksum: bool = False) -> bool:
        """Return whether an image's result is there and still right.

        Args:
            path: Path of the image below the source.
            record: What the manifest has of it.
            checksum: Compare the source by content alone, not by size and time.
        """
        if record is None or not record.is_made_by(self.target.spec.hash, self.target.params):
            return False
        if self.second is not None and record.second_model != self.second.spec.name:
            return False
        if record.source is None or not self.target.storage.exists(self.target.name(path)):
            return False
        try:
            return self.source.has(path, record.source, checksum)
        except OSError:
            return False

    def run(self, paths: Iterable[str]) -> Generator[Record]:
        """Do these images, in order, with bounded memory; yields what is to be recorded.

        Raises:
            OSError: If the target takes no more: full, read-only, not allowed.
            StalledError: If no image was finished for `stall_limit` seconds.
        """
        batch_size = 1 if self.remover is None else self.remover.batch_size
        runs = 1 if self.remover is None else self.remover.backend.runs_at_once
        ahead = 2 * batch_size + 2
        threads = max(2, min(8, available_cores()))
        pools = [DaemonPool(number) for number in (threads, runs, threads)]
        readers, runners, writers = pools
        writing: deque[tuple[str, Future[Record]]] = deque()
        stalled = False

        def written() -> Record:
            path, future = writing[0]
            record = self._result(future, lambda: f'the result of {printable(path)} to be written')
            writing.popleft()  # not before: an interrupt while waiting must not lose it
            return record

        try:
            loaded = self._map_ahead(
                readers,
                self._load,
                paths,
                ahead + runs,
                lambda path: f'{printable(path)} to be read',
            )
            batches = _batches(loaded, batch_size)
            for batch, masks_found in self._map_ahead(
                runners, self._infer_batch, batches, runs, self._describe
            ):
                found = iter(masks_found)
                for item in batch:
                    masks = next(found) if item.inputs else (item.mask,)
                    writing.append((item.path, writers.submit(self._write, item, *masks)))
                while len(writing) > ahead:
                    yield written()
            while writing:
                yield written()
        except StalledError:
            stalled = True
            raise
        except (Exception, KeyboardInterrupt):
            # What was written meanwhile is not to be done again.
            for _, future in writing:
                with suppress(Exception):
                    yield self._result(future, lambda: 'what was begun to be written')
            raise
        finally:
            for pool in pools:
                pool.shutdown(wait=not stalled, cancel_futures=True)

    def _result(self, future: Future[_R], what: Callable[[], str]) -> _R:
        return result_within(future, self.stall_limit, what, is_downloading)

    def _map_ahead(
        self,
        pool: Executor,
        function: Callable[[_T], _R],
        items: Iterable[_T],
        ahead: int,
        describe: Callable[[_T], str],
    ) -> Iterator[_R]:
        """Do ``map`` in a pool, in order, with at most `ahead` results waiting."""
        remaining = iter(items)
        waiting: deque[tuple[_T, Future[_R]]] = deque()
        for item in islice(remaining, ahead):
            waiting.append((item, pool.submit(function, item)))
        while waiting:
            first, future = waiting.popleft()
            result = self._result(future, partial(describe, first))
            for item in islice(remaining, 1):
                waiting.append((item, pool.submit(function, item)))
            yield result

    def _describe(self, batch: list[_Loaded]) -> str:
        names = ', '.join(printable(item.path) for item in batch)
        return f'the network {self.target.spec.name} to run on {names}'

    def _load(self, path: str) -> _Loaded:
        try:
            source = self.source.read_image(path, self.max_pixels, self.max_bytes)
        except ImageError as err:
            return _Loaded(path, error=str(err))
        except OSError as err:
            return _Loaded(path, error=f'cannot be read: {err.strerror or err}')
        known, problem = self._stored(path, source)
        if known is not None:
            return _Loaded(path, self._kept(source), mask=known)
        if self.remover is None:
            return _Loaded(path, error=f'{problem}{self._hint()}')
        removers = [each for each in self._removers if each is not None]
        inputs = tuple(remover.preprocess(source.pixels) for remover in removers)
        return _Loaded(path, self._kept(source), inputs)

    def _kept(self, source: SourceImage) -> SourceImage:
        """Return what is still needed of an image: many of them wait at once."""
        return source.as_array() if self.target.needs_pixels else source.without_pixels()

    def _stored(self, path: str, source: SourceImage) -> tuple[np.ndarray | None, str]:
        """Return the mask that was made before of this content, or why there is none.

        The mask is at the model's resolution.
        """
        if self.store is None:
            return None, 'there is no mask store'
        try:
            stored = self.store.get(path)
        except StoredMaskError as err:
            if self.remover is not None:
                logger.warning('%s: computed again', err)
            return None, str(err)
        if stored is not None and stored.source.sha256 == source.stamp.sha256:
            made_by = (stored.model_hash, stored.params)
            if made_by == (self.store.spec.hash, self.store.params):
                return stored.mask, ''
        problem = mask_problem(self.store, stored, self.source.address_of(path))
        return None, problem or 'the mask was made from other content than the file has now'

    def _hint(self) -> str:
        """Return how the masks that are lacking are made."""
        if self.store is None:
            return ''
        return f'. Make it: {masks_command(self.store, self.source.address)}'

    def _infer_batch(self, batch: list[_Loaded]) -> tuple[list[_Loaded], list[tuple[Any, ...]]]:
        return batch, self._infer([item.inputs for item in batch if item.inputs])

    def _infer(self, inputs: list[tuple[np.ndarray, ...]]) -> list[tuple[Any, ...]]:
        """Return of each image the mask, whether it is constant, and the second model's, if any."""
        if not inputs:
            return []
        assert self.remover is not None  # else nothing was prepared for it
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


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
