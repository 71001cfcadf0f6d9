"""What a remover needs of a runtime, and what all runtimes share."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol, Self

import numpy as np

from bgremoval_mm.removal.cpu import available_cores
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.zoo.catalogue import ModelSpec
from bgremoval_mm.removal.zoo.weights import (
    check_licence,
    fetch_weights,
    find_weights,
    read_verified,
)

__all__ = [
    'Backend',
    'DeviceError',
    'Settings',
    'is_installed',
    'read_weights',
    'threads_in_all',
    'threads_per_stream',
]


class DeviceError(BgremovalError, RuntimeError):
    """The device or the precision that was asked for is not there."""


class Backend(Protocol):
    """What a remover needs of a runtime."""

    @property
    def precision(self) -> str:
        """``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'int8'``."""

    @property
    def num_threads(self) -> int:
        """CPU threads of all runs together; 0 takes all cores that the process may use."""

    @property
    def streams(self) -> int:
        """Number of runs that may be under way at once."""

    @property
    def uses_gpu(self) -> bool:
        """Whether it runs on a GPU, on a machine that has one."""

    def with_threads(self, num_threads: int, streams: int = 2) -> Backend:
        """Return the same backend with that many CPU threads, shared by that many runs."""

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Float32 inputs (N, 3, h, w) to the model's first output, float32 (N, C, h, w)."""


@dataclass(frozen=True)
class Settings:
    """What a backend is made from. Backends hold nothing else, so that they can be pickled.

    Attributes:
        spec: The model.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'`` or ``'auto'``.
        num_threads: CPU threads of all runs; 0 takes all cores that the process may use.
        accept_licence: Accept weights that are not for commercial use.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'int8'``.
        calibration: Folder of photos that int8 is calibrated with.
        streams: Number of runs that may be under way at once on the CPU, which share its threads.
        batched: Whether one run takes several images. Otherwise they are run one by one, and the
            model's file need not be changed for it.
    """

    spec: ModelSpec
    device: str = 'auto'
    num_threads: int = 0
    accept_licence: bool = False
    precision: str = 'fp32'
    calibration: str | None = None
    streams: int = 1
    batched: bool = False

    @property
    def has_streams(self) -> bool:
        """Whether several runs can share the CPU's threads."""
        return False

    @property
    def uses_gpu(self) -> bool:
        """Whether it runs on a GPU, on a machine that has one."""
        return self.device != 'cpu'

    def with_threads(self, num_threads: int, streams: int = 2) -> Self:
        """Return the same backend with that many CPU threads, shared by that many runs."""
        cores = num_threads or available_cores()
        shared = streams if self.has_streams and cores > 1 else 1
        return replace(self, num_threads=num_threads, streams=shared)

    def parts(self, batch: np.ndarray) -> list[np.ndarray]:
        """Split a batch into what one run takes."""
        whole = self.batched and self.spec.batchable
        return [batch] if whole or len(batch) == 1 else np.split(batch, len(batch))


def is_installed(distribution: str) -> bool:
    """Whether a distribution is installed, without importing it."""
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def threads_in_all(settings: Settings) -> int:
    """Return the CPU threads of all runs; 0 leaves them to the runtime, which takes all cores."""
    if settings.num_threads:
        return settings.num_threads
    cores = available_cores()
    return 0 if cores == os.cpu_count() else cores


def threads_per_stream(settings: Settings) -> int:
    """Return the CPU threads of one run; 0 leaves them to the runtime, which takes all cores."""
    total = threads_in_all(settings)
    if settings.streams == 1:
        return total
    return max(1, (total or available_cores()) // settings.streams)


def read_weights(settings: Settings) -> bytes:
    """The model's verified ONNX file, fetched if it is not here.

    Raises:
        WeightsError: If it cannot be had, is damaged, or its licence was not accepted.
    """
    check_licence(settings.spec, settings.accept_licence)
    path = find_weights(settings.spec)
    path = path or fetch_weights(settings.spec, settings.accept_licence)
    return read_verified(path, settings.spec)
