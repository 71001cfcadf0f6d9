"""Batcher: one thread that owns the networks, and runs together what is waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from bgremoval_mm.removal.remover import BackgroundRemover

__all__ = ['Batcher', 'Mask']

logger = logging.getLogger(__name__)

Mask = tuple[np.ndarray, bool]  # at the model's resolution; whether the map was constant


@dataclass(frozen=True, eq=False)
class _Waiting:
    model: str
    inputs: np.ndarray
    future: Future[Mask] = field(default_factory=Future)


class Batcher:
    """One thread that runs the networks, on what is waiting whenever it becomes free.

    It does not wait for a batch to fill: a single request is not delayed, and under load the next
    batch gathers while the network runs. Every request has a future of its own, and its mask is
    taken from its own place in the batch.

    Args:
        removers: The networks by name.
        observe: Called after each run with the model's name, the number of images and the seconds.
    """

    def __init__(
        self,
        removers: Mapping[str, BackgroundRemover],
        observe: Callable[[str, int, float], None] = lambda model, images, seconds: None,
    ) -> None:
        self._removers = removers
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name='networks', daemon=True)
        self.ready: Future[None] = Future()

    def start(self) -> None:
        """Begin: load the networks and run each once; `ready` is then done, or has the error."""
        self._thread.start()

    def submit(self, model: str, inputs: np.ndarray) -> Future[Mask]:
        """Have a network run on one image.

        Args:
            model: Name of one of the networks.
            inputs: What `BackgroundRemover.preprocess` returns.

        Returns:
            Its mask, uint8 of shape (size, size), and whether the map was constant. A future that
            is cancelled while it waits is not computed.
        """
        job = _Waiting(model, inputs)
        with self._changed:
            if self._closing:
                job.future.cancel()
                return job.future
            self._waiting.append(job)
            self._changed.notify()
        return job.future

    def close(self, timeout: float | None = None) -> None:
        """Do what is waiting, then end the thread; wait for it so many seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _work(self) -> None:
        try:
            self._warm_up()
        except Exception as err:  # noqa: BLE001
            # Runtimes raise what they like; whoever started the service reports it.
            self.ready.set_exception(err)
            return
        self.ready.set_result(None)
        while batch := self._next_batch():
            self._run(batch)

    def _warm_up(self) -> None:
        for remover in self._removers.values():
            size = remover.spec.size
            for images in sorted({1, remover.batch_size}):
                remover.infer(np.zeros((images, 3, size, size), np.float32))

    def _next_batch(self) -> list[_Waiting]:
        """Wait for jobs; return the first one's batch, nothing if the thread is to end."""
        with self._changed:
            while True:
                batch = self._take()
                if batch or (self._closing and not self._waiting):
                    return batch
                self._changed.wait()

    def _take(self) -> list[_Waiting]:
        """Take the first job and the next ones of its model; the others stay in their order."""
        batch: list[_Waiting] = []
        kept: list[_Waiting] = []
        while self._waiting:
            job = self._waiting.popleft()
            if batch and job.model != batch[0].model:
                kept.append(job)
            elif job.future.set_running_or_notify_cancel():
                batch.append(job)
                if len(batch) == self._removers[job.model].batch_size:
                    break
        self._waiting.extendleft(reversed(kept))
        return batch

    def _run(self, batch: list[_Waiting]) -> None:
        remover = self._removers[batch[0].model]
        started = time.perf_counter()
        try:
            found = remover.infer(np.stack([job.inputs for job in batch]))
        except Exception as err:
            if len(batch) > 1:  # one image must not spoil the answers to the others
                logger.exception('a batch of %d images failed: run one by one', len(batch))
                for job in batch:
                    self._run([job])
                return
            batch[0].future.set_exception(err)
            return
        self._observe(batch[0].model, len(batch), time.perf_counter() - started)
        for job, mask in zip(batch, found, strict=True):
            job.future.set_result(mask)
