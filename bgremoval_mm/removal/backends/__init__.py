"""The runtimes, one module each: a batch of network inputs in, a batch of saliency maps out."""

from __future__ import annotations

from dataclasses import replace

from bgremoval_mm.removal.backends.base import Backend, DeviceError
from bgremoval_mm.removal.backends.onnx_runtime import OnnxRuntimeBackend, TensorRtBackend
from bgremoval_mm.removal.backends.open_vino import OpenVinoBackend
from bgremoval_mm.removal.backends.sessions import release_sessions
from bgremoval_mm.removal.backends.torch_native import CompiledTorchBackend, TorchBackend
from bgremoval_mm.removal.options import BACKENDS, PRECISIONS
from bgremoval_mm.removal.options.engine import EngineOptions

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

_CLASSES: dict[str, type[Backend]] = {
    'onnxruntime': OnnxRuntimeBackend,
    'tensorrt': TensorRtBackend,
    'openvino': OpenVinoBackend,
    'torch': TorchBackend,
    'torch-compiled': CompiledTorchBackend,
}


def make_backend(options: EngineOptions) -> Backend:
    """Return the backend of these options; nothing is loaded yet."""
    options = options.resolved
    # Batches of any size above 1 are run by the same session.
    return _CLASSES[options.backend](replace(options, batch_size=min(options.batch_size, 2)))
