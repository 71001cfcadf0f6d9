"""Batcher: the threads that run the networks, and run together what is waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from bgremoval_mm.removal.backends.buckets import bucket_of
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
    """One thread that runs the networks, or two, on what is waiting whenever one becomes free.

    It does not wait for a batch to fill: a single request is not delayed, and under load the next
    batch gathers while the network runs. Every request has a future of its own, and its mask is
    taken from its own place in the batch.

    On a CPU, a single request gets all cores. Where more are waiting, two runs share the cores, so
    that a thread that decodes or encodes holds up one of them only.

    Args:
        removers: The networks by name.
        observe: Called after each run with the model's name, the number of images and the seconds.
        shared: The same networks for two runs at once (`BackgroundRemover.for_throughput`); none
            where one run at a time is as fast, as on a GPU.
    """

    def __init__(
        self,
        removers: Mapping[str, BackgroundRemover],
        observe: Callable[[str, int, float], None] = lambda model, images, seconds: None,
        shared: Mapping[str, BackgroundRemover] | None = None,
    ) -> None:
        self._removers = removers
        self._shared = dict(shared or {})
        self._observe = observe
        self._running = 0
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=work, name='networks', daemon=True)
            for work in ([self._begin, self._work] if self._shared else [self._begin])
        ]
        self.ready: Future[None] = Future()

    def start(self) -> None:
        """Begin: load the networks and run each size once; `ready` is then done, or has the error.

        The sizes are the buckets of batches.
        """
        self._threads[0].start()

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
        """Do what is waiting, then end the threads; wait for each so many seconds at most."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout)

    def _begin(self) -> None:
        try:
            self._warm_up()
        except Exception as err:  # noqa: BLE001
            # Runtimes raise what they like; whoever started the service reports it.
            self.ready.set_exception(err)
            return
        for thread in self._threads[1:]:
            thread.start()
        self.ready.set_result(None)
        self._work()

    def _work(self) -> None:
        while batch := self._next_batch():
            self._run(batch, self._choose(batch[0].model))
            with self._changed:
                self._running -= 1

    def _choose(self, model: str) -> BackgroundRemover:
        """Return the network for a run: the shared one if another run is under way or waits."""
        is_alone = self._running == 1 and not self._waiting
        return self._removers[model] if is_alone else self._shared.get(model, self._removers[model])

    def _warm_up(self) -> None:
        for remover in (*self._removers.values(), *self._shared.values()):
            black = remover.preprocess(np.zeros((1, 1, 3), np.uint8))
            # Each bucket is prepared for by itself on GPUs, for seconds or minutes.
            most = remover.batch_size
            for images in sorted({min(bucket_of(each), most) for each in range(1, most + 1)}):
                remover.infer(np.stack([black] * images))

    def _next_batch(self) -> list[_Waiting]:
        """Wait for jobs; return the first one's batch, nothing if the thread is to end."""
        with self._changed:
            while True:
                batch = self._take()
                if batch:
                    self._running += 1
                    return batch
                if self._closing:
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

    def _run(self, batch: list[_Waiting], remover: BackgroundRemover) -> None:
        started = time.perf_counter()
        try:
            found = remover.infer(np.stack([job.inputs for job in batch]))
        except Exception as err:
            if len(batch) > 1:  # one image must not spoil the answers to the others
                logger.exception('a batch of %d images failed: run one by one', len(batch))
                for job in batch:
                    self._run([job], remover)
                return
            batch[0].future.set_exception(err)
            return
        self._observe(batch[0].model, len(batch), time.perf_counter() - started)
        for job, mask in zip(batch, found, strict=True):
            job.future.set_result(mask)
