"""What a remover needs of a runtime, and what all runtimes share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import numpy as np

from bgremoval_mm.removal.catalogue import ModelSpec
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.weights import check_licence, fetch_weights, find_weights, read_verified

__all__ = ['Backend', 'DeviceError', 'Settings', 'is_installed', 'read_weights', 'threads_a_stream']


class DeviceError(BgremovalError, RuntimeError):
    """The device or the precision that was asked for is not there."""


class Backend(Protocol):
    """What a remover needs of a runtime."""

    @property
    def precision(self) -> str:
        """``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'int8'``."""

    @property
    def streams(self) -> int:
        """Number of runs that may be under way at once."""

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Float32 inputs (N, 3, h, w) to the model's first output, float32 (N, C, h, w)."""


@dataclass(frozen=True)
class Settings:
    """What a backend is made from. Backends hold nothing else, so that they can be pickled.

    Attributes:
        spec: The model.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'`` or ``'auto'``.
        num_threads: Threads of one run on the CPU; 0 takes all cores.
        accept_licence: Accept weights that are not for commercial use.
        precision: ``'fp32'``, ``'bf16'``, ``'fp16'`` or ``'int8'``.
        calibration: Folder of photos that int8 is calibrated with.
        streams: Number of runs that may be under way at once on the CPU, which share its threads.
    """

    spec: ModelSpec
    device: str = 'auto'
    num_threads: int = 0
    accept_licence: bool = False
    precision: str = 'fp32'
    calibration: str | None = None
    streams: int = 1

    @property
    def has_streams(self) -> bool:
        """Whether several runs can share the CPU's threads."""
        return False


def is_installed(distribution: str) -> bool:
    """Whether a distribution is installed, without importing it."""
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def threads_a_stream(settings: Settings) -> int:
    """Threads of one run on the CPU; 0 takes all cores."""
    if settings.streams == 1:
        return settings.num_threads
    total = settings.num_threads or len(os.sched_getaffinity(0))
    return max(1, total // settings.streams)


def read_weights(settings: Settings) -> bytes:
    """The model's verified ONNX file, fetched if it is not here.

    Raises:
        WeightsError: If it cannot be had, is damaged, or its licence was not accepted.
    """
    check_licence(settings.spec, settings.accept_licence)
    path = find_weights(settings.spec)
    path = path or fetch_weights(settings.spec, settings.accept_licence)
    return read_verified(path, settings.spec)
