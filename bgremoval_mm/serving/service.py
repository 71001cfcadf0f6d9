"""Service: what the routes ask for cut-outs, whoever makes them; a bounded number at once."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager

from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.metrics import Metrics
from bgremoval_mm.serving.orders import Cutout, Order

__all__ = ['Service']

_LONGEST_RETRY = 60  # seconds


class Service(ABC):
    """Lets in as many requests as the queue has places, and answers each within the time limit.

    Args:
        models: Names of the networks, the default one first.
        limits: What is accepted.
        metrics: Where it is counted.
    """

    def __init__(
        self, models: Sequence[str], limits: Limits | None = None, metrics: Metrics | None = None
    ) -> None:
        self.models = list(models)
        self.limits = limits or Limits()
        self.metrics = metrics or Metrics()
        self._admitted = 0
        self._pace = 0.0  # seconds of the network per image, a running mean

    @property
    @abstractmethod
    def ready(self) -> Future[None]:
        """Done once the networks are loaded and have run; has the error if that failed."""

    @property
    def is_ready(self) -> bool:
        """Whether the networks are loaded."""
        return self.ready.done() and self.ready.exception() is None

    @abstractmethod
    def start(self) -> None:
        """Begin to load the networks; returns at once."""

    @abstractmethod
    def close(self) -> None:
        """End what was started, once what has begun is done."""

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Take one of the places in the queue, for as long as a request is under way.

        Raises:
            RequestError: If there is none, or the networks are not loaded yet.
        """
        if not self.is_ready:
            title = 'The service is starting'
            raise RequestError(503, 'not_ready', title, headers={'Retry-After': '5'})
        if self._admitted >= self.limits.queue:
            wait = min(_LONGEST_RETRY, max(1, math.ceil(self._admitted * self._pace)))
            raise RequestError(
                503,
                'queue_full',
                'The service is busy',
                f'{self._admitted} requests are under way; try again in {wait} s',
                {'Retry-After': str(wait)},
            )
        self._admitted += 1
        self.metrics.in_progress.set(self._admitted)
        try:
            yield
        finally:
            self._admitted -= 1
            self.metrics.in_progress.set(self._admitted)

    async def remove(self, order: Order) -> Cutout:
        """Make a cut-out.

        Raises:
            RequestError: If the picture cannot be read or is too large, or time is up.
        """
        try:
            async with asyncio.timeout(self.limits.seconds):
                made = await self._remove(order)
        except TimeoutError:
            detail = f'the limit is {self.limits.seconds:g} s'
            raise RequestError(504, 'time_limit', 'The picture took too long', detail) from None
        self.metrics.images.labels(order.model, order.output.output).inc()
        return made

    @abstractmethod
    async def _remove(self, order: Order) -> Cutout:
        """Make a cut-out, however long it takes."""

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Count how long decoding, the network or encoding took."""
        self.metrics.stages.labels(stage).observe(seconds)

    def observe_batch(self, model: str, images: int, seconds: float) -> None:
        """Count a run of a network."""
        self.metrics.batches.labels(model).observe(images)
        self.observe_stage('network', seconds)
        pace = seconds / images
        self._pace = pace if self._pace == 0 else 0.9 * self._pace + 0.1 * pace
