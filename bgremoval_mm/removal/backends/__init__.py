"""A batch of network inputs in, a batch of saliency maps out: one class a runtime."""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib.util import find_spec
from typing import Any

from bgremoval_mm.removal.backends import onnx_runtime, open_vino, torch_native
from bgremoval_mm.removal.backends.base import Backend, DeviceError, is_installed
from bgremoval_mm.removal.backends.onnx_runtime import OnnxRuntimeBackend, TensorRtBackend
from bgremoval_mm.removal.backends.open_vino import OpenVinoBackend
from bgremoval_mm.removal.backends.sessions import release_sessions
from bgremoval_mm.removal.backends.torch_native import CompiledTorchBackend, TorchBackend
from bgremoval_mm.removal.catalogue import ModelSpec
from bgremoval_mm.removal.options import BACKENDS, PRECISIONS

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
    'make_backend',
    'release_sessions',
]

logger = logging.getLogger(__name__)

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
    if not re.fullmatch(r'auto|cpu|cuda(:\d+)?', device):
        msg = f"`device` must be 'auto', 'cpu', 'cuda' or 'cuda:N', but got {device!r}"
        raise ValueError(msg)
    if precision == 'auto':
        precision = choose_precision(backend, device)
    if backend == 'auto':
        backend, reason = _choose_backend(precision, device)
        _log_once(f"backend='auto': {backend}, {reason}")
    if precision not in _OFFERED[backend]:
        msg = (
            f'`precision` must be one of {", ".join(_OFFERED[backend])} for backend={backend!r}, '
            f'but got {precision!r}'
        )
        raise ValueError(msg)
    if backend.startswith('torch') and spec.name not in torch_native.MODELS:
        msg = f'backend={backend!r} has {", ".join(torch_native.MODELS)}, but got {spec.name!r}'
        raise ValueError(msg)
    made: Backend = _CLASSES[backend](
        spec, device, num_threads, accept_licence, precision, calibration
    )
    return made


def choose_precision(backend: str, device: str) -> str:
    """What ``precision='auto'`` is here."""
    on_cpu = device in ('auto', 'cpu')
    if backend in ('auto', 'openvino') and on_cpu and 'BF16' in open_vino.capabilities():
        _log_once("precision='auto': bf16, which this CPU computes in and OpenVINO uses")
        return 'bf16'
    _log_once("precision='auto': fp32, because this CPU has no bf16 or OpenVINO is missing")
    return 'fp32'


def _choose_backend(precision: str, device: str) -> tuple[str, str]:
    """The fastest runtime that is installed, and the reason for it. Nothing is imported."""
    on_gpu = device.startswith('cuda') or (device == 'auto' and is_installed('onnxruntime-gpu'))
    has_openvino = find_spec('openvino') is not None
    if precision == 'int8':
        return 'openvino', 'which alone has int8'
    if precision == 'bf16':
        if on_gpu or not has_openvino:
            return 'torch', 'which has bf16 on GPUs, and on CPUs without OpenVINO'
        return 'openvino', 'the fastest in bf16 on a CPU'
    if precision == 'fp16':
        return 'torch', 'which has fp16 on GPUs'
    if on_gpu:
        return 'onnxruntime', "which runs on GPUs, with rembg's masks"
    if has_openvino:
        return 'openvino', "the fastest in fp32 on a CPU; masks are within one level of rembg's"
    return 'onnxruntime', 'because OpenVINO, which is faster on CPUs, is not installed'


@cache
def _log_once(message: str) -> None:
    """Log a decision; removers are made anew for each image in pipelines."""
    logger.info(message)
