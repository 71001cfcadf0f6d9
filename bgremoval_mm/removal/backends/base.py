"""What a remover needs of a runtime, and what all runtimes share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.options.engine import EngineOptions
from bgremoval_mm.utils.cpu import available_cores

__all__ = ['Backend', 'DeviceError']


class DeviceError(BgremovalError, RuntimeError):
    """The device or the precision that was asked for is not there."""


@dataclass(frozen=True)
class Backend(ABC):
    """One model under one runtime: a batch of network inputs in, a batch of saliency maps out.

    Or photos in and masks out, where the runtime does the arithmetic around the network as well.

    It holds nothing but what its session is made from, so that it can be pickled; equal backends
    share a session.

    Attributes:
        options: The model and how it is run, with ``'auto'`` decided. Of the batch size it only
            counts whether it is above 1: otherwise images are run one by one, and the model's file
            need not be changed for it.
        streams: Number of runs that may be under way at once on the CPU, which share its threads.
        takes_pixels: Whether it takes photos of the network's size and returns masks: it normalises
            and stretches on its device, to which a quarter of the bytes is sent, and from which as
            few come back.
    """

    options: EngineOptions
    streams: int = 1
    takes_pixels: ClassVar[bool] = False

    @property
    def has_streams(self) -> bool:
        """Whether several runs can share the CPU's threads."""
        return False

    @property
    def runs_at_once(self) -> int:
        """How many runs a job has under way, each called from a thread of its own."""
        return self.streams

    @property
    def uses_gpu(self) -> bool:
        """Whether it runs on a GPU, on a machine that has one."""
        return self.options.device != 'cpu'

    @abstractmethod
    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            batch: float32 inputs of shape (N, 3, h, w); if it `takes_pixels`, uint8 photos of
                shape (N, h, w, 3), RGB.

        Returns:
            The model's first output, float32 of shape (N, C, h, w); if it `takes_pixels`, masks,
            uint8 of shape (N, h, w), empty where the saliency map is constant.
        """

    def with_threads(self, num_threads: int, streams: int = 2) -> Self:
        """Return the same backend with that many CPU threads, shared by that many runs."""
        cores = num_threads or available_cores()
        shared = streams if self.has_streams and cores > 1 else 1
        return replace(self, options=replace(self.options, num_threads=num_threads), streams=shared)

    def parts(self, batch: np.ndarray) -> list[np.ndarray]:
        """Split a batch into what one run takes."""
        whole = self.options.batch_size > 1 and self.options.spec.batchable
        return [batch] if whole or len(batch) == 1 else np.split(batch, len(batch))

    def threads_in_all(self) -> int:
        """Return the CPU threads of all runs; 0 leaves them to the runtime, which takes all."""
        if self.options.num_threads:
            return self.options.num_threads
        cores = available_cores()
        return 0 if cores == os.cpu_count() else cores

    def threads_per_stream(self) -> int:
        """Return the CPU threads of one run; 0 leaves them to the runtime, which takes all."""
        total = self.threads_in_all()
        if self.streams == 1:
            return total
        return max(1, (total or available_cores()) // self.streams)
