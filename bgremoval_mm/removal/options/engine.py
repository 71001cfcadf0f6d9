"""EngineOptions: which network finds the foreground, and how it is run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options.choice import choose_backend, choose_precision
from bgremoval_mm.removal.options.values import (
    BACKENDS,
    DEVICE,
    PRECISIONS,
    PRECISIONS_OF,
    TORCH_MODELS,
    check_choice,
    check_number,
)
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model

__all__ = ['EngineOptions']


@dataclass(frozen=True)
class EngineOptions:
    """Which network finds the foreground, and how it is run.

    Nothing is loaded when this is made, neither weights nor a runtime, so that forked workers can
    load their own.

    Attributes:
        model: Name of a model of ``CATALOGUE``, the path of an ONNX file, or a ModelSpec. A file is
            read when the options are made, and must be there, unchanged, wherever they are used.
        backend: Of ``BACKENDS``. ``'auto'``: the fastest that is installed (docs/performance.md):
            on a CPU OpenVINO, else ONNX Runtime; on a GPU ONNX Runtime in fp32, PyTorch in bf16 and
            fp16. Which one, and why, is logged.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'``, or ``'auto'`` for a GPU where there is one,
            which the runtime finds out and logs when the network is loaded. A GPU that was named
            but is not there is an error.
        precision: Of ``PRECISIONS``: ``'fp32'``, whose masks are rembg's; ``'bf16'``, ``'fp16'``,
            ``'int8'`` where the backend and the device have it. ``'auto'``: bf16 where the CPU
            computes in it and OpenVINO is installed (mean difference of masks 0.25 of 255 levels),
            else fp32.
        batch_size: Largest number of images in one run of the network. On a CPU more than 1 gains
            nothing.
        num_threads: CPU threads in all; 0 takes all cores that the process may use: as many as
            ``OMP_NUM_THREADS`` says, or its affinity and its control group's quota allow. Each
            actor of a job on Ray has as many.
        accept_licence: Accept weights that are not for commercial use.
        calibration: Folder of photos that int8 is calibrated with, once.

    Raises:
        ArgumentError: If an option is not one of the above, or two of them do not go together.
    """

    model: str | Path | ModelSpec = 'u2net'
    backend: str = 'auto'
    device: str = 'auto'
    precision: str = 'fp32'
    batch_size: int = 1
    num_threads: int = 0
    accept_licence: bool = False
    calibration: str | None = None

    def __post_init__(self) -> None:
        check_number('batch_size', self.batch_size, 1)
        check_number('num_threads', self.num_threads, 0, 'a number of CPU threads, 0 for all')
        check_choice('backend', self.backend, BACKENDS)
        check_choice('precision', self.precision, PRECISIONS)
        if not DEVICE.fullmatch(str(self.device)):
            msg = f"`device` must be 'auto', 'cpu', 'cuda' or 'cuda:N', but got {self.device!r}"
            raise ArgumentError(msg)
        self.resolved  # noqa: B018 (finds out whether the options go together)

    @property
    def spec(self) -> ModelSpec:
        """The model's entry in the catalogue."""
        return get_model(self.model)

    @cached_property
    def resolved(self) -> EngineOptions:
        """The same with a ModelSpec, and without ``'auto'`` for backend and precision.

        Decided once: it travels with the options to other processes.
        """
        precision, backend = self.precision, self.backend
        if precision == 'auto':
            precision = choose_precision(self.spec, backend, self.device)
        if backend == 'auto':
            backend = choose_backend(self.spec, precision, self.device)
        if (self.spec, backend, precision) != (self.model, self.backend, self.precision):
            return replace(self, model=self.spec, backend=backend, precision=precision)
        check_choice('precision', precision, PRECISIONS_OF[backend], f' for backend={backend!r}')
        if backend.startswith('torch') and self.spec.architecture not in TORCH_MODELS:
            msg = f'backend={backend!r} has {", ".join(TORCH_MODELS)}, but got {self.spec.name!r}'
            raise ArgumentError(msg)
        return self
