"""The runtime and the precision that `auto` stands for, decided without loading a runtime."""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options.values import TORCH_MODELS
from bgremoval_mm.removal.zoo.catalogue import ModelSpec
from bgremoval_mm.utils.cpu import computes_in_bf16, has_amx

__all__ = [
    'choose_backend',
    'choose_precision',
    'faster_precision_hint',
    'has_gpu_driver',
    'is_installed',
    'log_once',
    'torch_has_cuda',
]

logger = logging.getLogger(__name__)

_OPENVINO = 'pip install "bgremoval_mm[openvino]"'
_DRIVERS = ('/proc/driver/nvidia/version', '/dev/dxg')  # Linux; Windows' subsystem for it


def choose_precision(spec: ModelSpec, backend: str, device: str) -> str:
    """Return what ``precision='auto'`` is here, and log the reason."""
    if backend not in ('auto', 'openvino'):
        return _log_precision(
            'fp32', f'backend={backend!r} takes another one only where it is named'
        )
    if _on_gpu(device, spec) and backend == 'auto':
        return _log_precision('fp32', 'on a GPU take fp16 or bf16 by name')
    if not computes_in_bf16():
        return _log_precision('fp32', 'this CPU has no instructions for bf16')
    if find_spec('openvino') is None:
        return _log_precision('fp32', f'bf16 needs OpenVINO, which is not installed: {_OPENVINO}')
    return _log_precision('bf16', 'which this CPU computes in and OpenVINO uses')


def _log_precision(precision: str, reason: str) -> str:
    log_once(f"precision='auto': {precision}, {reason}")
    return precision


def choose_backend(spec: ModelSpec, precision: str, device: str) -> str:
    """Return the fastest runtime that has this model in this precision, and log the reason.

    Raises:
        ArgumentError: If there is none.
    """
    backend, reason = _fastest(spec, precision, device)
    log_once(f"backend='auto': {backend}, {reason}")
    return backend


def _fastest(spec: ModelSpec, precision: str, device: str) -> tuple[str, str]:
    has_openvino = find_spec('openvino') is not None
    on_gpu = _on_gpu(device, spec)
    if precision == 'int8':
        return 'openvino', 'which alone has int8'
    if precision == 'fp16':
        if spec.architecture in TORCH_MODELS:
            return 'torch', 'which has fp16 on GPUs'
        return 'onnxruntime', f'which has fp16 of {spec.name} on GPUs'
    if precision == 'bf16':
        if has_openvino and not on_gpu:
            return 'openvino', 'the fastest in bf16 on a CPU'
        if spec.architecture in TORCH_MODELS:
            return 'torch', 'which has bf16 on GPUs, and on CPUs that compute in it'
        way_out = "take 'fp16' or 'fp32'" if on_gpu else f'install OpenVINO: {_OPENVINO}'
        where = 'on a GPU' if on_gpu else 'on a CPU without OpenVINO'
        msg = (
            f"precision='bf16' {where} is there for {', '.join(TORCH_MODELS)}, "
            f'but got model={spec.name!r}; {way_out}'
        )
        raise ArgumentError(msg)
    if on_gpu:
        has_torch = torch_has_cuda() and spec.architecture in TORCH_MODELS
        if has_torch and not is_installed('onnxruntime-gpu'):
            return 'torch', 'which runs on GPUs; onnxruntime-gpu is not installed'
        return 'onnxruntime', "which runs on GPUs, with rembg's masks"
    if has_openvino:
        return 'openvino', "the fastest in fp32 on a CPU; masks are within one level of rembg's"
    return 'onnxruntime', 'because OpenVINO, which is faster on CPUs, is not installed'


def faster_precision_hint(spec: ModelSpec, precision: str, backend: str, device: str) -> str | None:
    """Return one line on the faster precision that this machine has, or None.

    Args:
        spec: The model.
        precision: The precision that was asked for.
        backend: The backend that was asked for.
        device: The device that was asked for.
    """
    on_cpu = device == 'cpu' or (device == 'auto' and not _on_gpu(device, spec))
    if precision != 'fp32' or backend not in ('auto', 'openvino') or not on_cpu:
        return None
    if not computes_in_bf16() or find_spec('openvino') is None:
        return None
    factor = '4 to 5 times' if has_amx() else 'about twice'
    return (
        f'This CPU computes in bf16: --precision auto is {factor} as fast with u2net; its masks '
        'differ by 0.3 of 255 levels on average (docs/performance.md).'
    )


def _on_gpu(device: str, spec: ModelSpec) -> bool:
    """Return whether a device stands for a GPU; where it is open, for this model."""
    if device != 'auto':
        return device.startswith('cuda')
    if is_installed('onnxruntime-gpu'):
        return True
    if spec.architecture not in TORCH_MODELS or not torch_has_cuda():
        return False
    return has_gpu_driver()


def has_gpu_driver() -> bool:
    """Return whether this machine has the driver of an NVIDIA GPU."""
    return any(Path(each).exists() for each in _DRIVERS)


def torch_has_cuda() -> bool:
    """Return whether torch is there in a build for NVIDIA's GPUs, without importing it."""
    found = find_spec('torch')
    if found is None or found.origin is None:
        return False
    try:
        text = Path(found.origin).with_name('version.py').read_text(encoding='utf-8')
    except OSError:
        return False
    return re.search(r"^cuda\b[^=\n]*= '", text, re.MULTILINE) is not None


def is_installed(distribution: str) -> bool:
    """Return whether a distribution is installed, without importing it."""
    from importlib.metadata import PackageNotFoundError, version  # loads `email` and more

    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


@cache
def log_once(message: str) -> None:
    """Log a decision, the first time that it is made: pipelines make a remover for each image."""
    logger.info(message)
