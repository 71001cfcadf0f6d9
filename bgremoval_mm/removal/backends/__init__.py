"""A batch of network inputs in, a batch of saliency maps out: one class a runtime."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

from bgremoval_mm.removal.backends import onnx_runtime, open_vino, torch_native
from bgremoval_mm.removal.backends.base import Backend, DeviceError
from bgremoval_mm.removal.backends.onnx_runtime import OnnxRuntimeBackend
from bgremoval_mm.removal.backends.open_vino import OpenVinoBackend
from bgremoval_mm.removal.backends.sessions import release_sessions
from bgremoval_mm.removal.backends.torch_native import TorchBackend
from bgremoval_mm.removal.catalogue import ModelSpec

__all__ = [
    'BACKENDS',
    'PRECISIONS',
    'Backend',
    'DeviceError',
    'OnnxRuntimeBackend',
    'OpenVinoBackend',
    'TorchBackend',
    'make_backend',
    'release_sessions',
]

logger = logging.getLogger(__name__)

BACKENDS = ('auto', 'onnxruntime', 'openvino', 'torch')
PRECISIONS = ('fp32', 'bf16', 'fp16', 'int8', 'auto')

_OFFERED = {
    'onnxruntime': onnx_runtime.PRECISIONS,
    'openvino': open_vino.PRECISIONS,
    'torch': torch_native.PRECISIONS,
}
_CLASSES: dict[str, type[Any]] = {
    'onnxruntime': OnnxRuntimeBackend,
    'openvino': OpenVinoBackend,
    'torch': TorchBackend,
}


def make_backend(
    spec: ModelSpec,
    backend: str = 'auto',
    device: str = 'auto',
    precision: str = 'fp32',
    num_threads: int = 0,
    accept_licence: bool = False,
    calibration: str | None = None,
) -> Backend:
    """The backend of these settings; nothing is loaded yet.

    Args:
        spec: The model.
        backend: Of ``BACKENDS``. ``'auto'``: ONNX Runtime for fp32, whose masks are rembg's;
            OpenVINO for bf16 and int8 on a CPU; PyTorch for bf16 and fp16 on a GPU.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'`` or ``'auto'``.
        precision: Of ``PRECISIONS``. ``'auto'``: bf16 where the CPU computes in it and OpenVINO is
            installed (mean difference of masks 0.25 of 255 levels), else fp32.
        num_threads: Threads of one run on the CPU; 0 takes all cores.
        accept_licence: Accept weights that are not for commercial use.
        calibration: Folder of photos for ``precision='int8'``.

    Raises:
        ValueError: If an argument is not one of the above, or they do not go together.
    """
    for name, value, allowed in (
        ('backend', backend, BACKENDS),
        ('precision', precision, PRECISIONS),
    ):
        if value not in allowed:
            msg = f'`{name}` must be one of {", ".join(allowed)}, but got {value!r}'
            raise ValueError(msg)
    if precision == 'auto':
        precision = choose_precision(backend, device)
    if backend == 'auto':
        backend = _choose_backend(precision, device)
    if precision not in _OFFERED[backend]:
        msg = (
            f'`precision` must be one of {", ".join(_OFFERED[backend])} for backend={backend!r}, '
            f'but got {precision!r}'
        )
        raise ValueError(msg)
    if backend == 'torch' and spec.name not in torch_native.MODELS:
        msg = f"backend='torch' has {', '.join(torch_native.MODELS)}, but got {spec.name!r}"
        raise ValueError(msg)
    made: Backend = _CLASSES[backend](
        spec, device, num_threads, accept_licence, precision, calibration
    )
    return made


def choose_precision(backend: str, device: str) -> str:
    """What ``precision='auto'`` is here."""
    on_cpu = device in ('auto', 'cpu')
    if backend in ('auto', 'openvino') and on_cpu and 'BF16' in open_vino.capabilities():
        logger.info("precision='auto': bf16, which this CPU computes in and OpenVINO uses")
        return 'bf16'
    logger.info("precision='auto': fp32")
    return 'fp32'


def _choose_backend(precision: str, device: str) -> str:
    if precision == 'fp32':
        return 'onnxruntime'
    if precision == 'fp16' or (precision == 'bf16' and device.startswith('cuda')):
        return 'torch'
    if precision == 'bf16' and find_spec('openvino') is None:
        return 'torch'
    return 'openvino'
