"""Replica: what runs in each process of a Ray Serve deployment, an engine that makes cut-outs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.serving.engine import Engine
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.orders import Cutout, Order
from bgremoval_mm.utils.allocator import keep_freed_memory

__all__ = ['Observation', 'Replica']

_KEPT = 10_000  # observations that no answer has taken along yet

Observation = tuple[str, str, int, float]  # what of, its label, images, seconds


class Replica:
    """A replica: an engine in a process of its own, on its cores or its GPU.

    Args:
        removers: The networks by name, the default one first.
        limits: What is accepted.
        cores: Threads that decode and encode, and threads of the networks.
        one_run: As of `Engine`.
    """

    def __init__(
        self, removers: Mapping[str, BackgroundRemover], limits: Limits, cores: int, one_run: bool
    ) -> None:
        keep_freed_memory()
        own = {
            name: BackgroundRemover.from_options(replace(each.options, num_threads=cores))
            for name, each in removers.items()
        }
        self.engine = _ObservedEngine(own, limits, cores, one_run=one_run)
        self.engine.start()
        self.engine.ready.result()  # Ray Serve sends nothing to a replica before this ends

    async def remove(self, order: Order) -> tuple[Cutout | RequestError, list[Observation]]:
        """Return the cut-out, or why there is none; and what was observed since the last answer."""
        made: Cutout | RequestError
        try:
            made = await self.engine.remove(order)
        except RequestError as err:
            made = err
        return made, self.engine.take_observations()


class _ObservedEngine(Engine):
    """Keeps what it observes for the process that shows the metrics."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seen: deque[Observation] = deque(maxlen=_KEPT)

    def observe_stage(self, stage: str, seconds: float) -> None:
        self._seen.append(('stage', stage, 0, seconds))

    def observe_batch(self, model: str, images: int, seconds: float) -> None:
        self._seen.append(('batch', model, images, seconds))

    def take_observations(self) -> list[Observation]:
        """Return what has not been returned yet."""
        found = []
        while self._seen:
            found.append(self._seen.popleft())
        return found
