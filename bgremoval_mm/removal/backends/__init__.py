"""A batch of network inputs in, a batch of saliency maps out: one class a runtime."""

from __future__ import annotations

import re
from typing import Any

from bgremoval_mm.removal.backends import onnx_runtime, open_vino, torch_native
from bgremoval_mm.removal.backends.base import Backend, DeviceError
from bgremoval_mm.removal.backends.choice import (
    choose_backend,
    choose_precision,
    faster_precision_hint,
)
from bgremoval_mm.removal.backends.onnx_runtime import OnnxRuntimeBackend, TensorRtBackend
from bgremoval_mm.removal.backends.open_vino import OpenVinoBackend
from bgremoval_mm.removal.backends.sessions import release_sessions
from bgremoval_mm.removal.backends.torch_native import CompiledTorchBackend, TorchBackend
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import BACKENDS, PRECISIONS
from bgremoval_mm.removal.zoo.catalogue import ModelSpec

__all__ = [
    'BACKENDS',
    'PRECISIONS',
    'Backend',
    'CompiledTorchBackend',
    'DeviceError',
    'OnnxRuntimeBackend',
    'OpenVinoBackend',
    'TensorRtBackend',
    'TorchBackend',
    'faster_precision_hint',
    'make_backend',
    'release_sessions',
]

_OFFERED = {
    'onnxruntime': onnx_runtime.PRECISIONS,
    'tensorrt': onnx_runtime.PRECISIONS,
    'openvino': open_vino.PRECISIONS,
    'torch': torch_native.PRECISIONS,
    'torch-compiled': torch_native.PRECISIONS,
}
_CLASSES: dict[str, type[Any]] = {
    'onnxruntime': OnnxRuntimeBackend,
    'tensorrt': TensorRtBackend,
    'openvino': OpenVinoBackend,
    'torch': TorchBackend,
    'torch-compiled': CompiledTorchBackend,
}


def make_backend(
    spec: ModelSpec,
    backend: str = 'auto',
    device: str = 'auto',
    precision: str = 'fp32',
    num_threads: int = 0,
    accept_licence: bool = False,
    calibration: str | None = None,
    batched: bool = False,
) -> Backend:
    """The backend of these settings; nothing is loaded yet.

    Args:
        spec: The model.
        backend: Of ``BACKENDS``. ``'auto'``: the fastest that is installed (docs/performance.md):
            on a CPU OpenVINO, else ONNX Runtime; on a GPU ONNX Runtime in fp32, PyTorch in bf16 and
            fp16. Which one, and why, is logged.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'`` or ``'auto'``.
        precision: Of ``PRECISIONS``. ``'auto'``: bf16 where the CPU computes in it and OpenVINO is
            installed (mean difference of masks 0.25 of 255 levels), else fp32.
        num_threads: CPU threads; 0 takes all cores that the process may use.
        accept_licence: Accept weights that are not for commercial use.
        calibration: Folder of photos for ``precision='int8'``.
        batched: Whether one run takes several images.

    Raises:
        ArgumentError: If an argument is not one of the above, or they do not go together.
    """
    for name, value, allowed in (
        ('backend', backend, BACKENDS),
        ('precision', precision, PRECISIONS),
    ):
        if value not in allowed:
            msg = f'`{name}` must be one of {", ".join(allowed)}, but got {value!r}'
            raise ArgumentError(msg)
    if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', device):
        msg = f"`device` must be 'auto', 'cpu', 'cuda' or 'cuda:N', but got {device!r}"
        raise ArgumentError(msg)
    if precision == 'auto':
        precision = choose_precision(backend, device)
    if backend == 'auto':
        backend = choose_backend(spec, precision, device)
    if precision not in _OFFERED[backend]:
        msg = (
            f'`precision` must be one of {", ".join(_OFFERED[backend])} for backend={backend!r}, '
            f'but got {precision!r}'
        )
        raise ArgumentError(msg)
    if backend.startswith('torch') and spec.name not in torch_native.MODELS:
        msg = f'backend={backend!r} has {", ".join(torch_native.MODELS)}, but got {spec.name!r}'
        raise ArgumentError(msg)
    made: Backend = _CLASSES[backend](
        spec, device, num_threads, accept_licence, precision, calibration, batched=batched
    )
    return made
