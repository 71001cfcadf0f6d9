"""The ONNX files as they are, under ONNX Runtime: rembg's own masks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from bgremoval_mm.removal.backends.base import DeviceError, Settings, read_weights
from bgremoval_mm.removal.backends.onnx_graph import make_batchable
from bgremoval_mm.removal.backends.sessions import shared_session

logger = logging.getLogger(__name__)

PRECISIONS = ('fp32',)


@dataclass(frozen=True)
class OnnxRuntimeBackend(Settings):
    """A model under ONNX Runtime, on the CPU or an NVIDIA GPU."""

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Float32 inputs (N, 3, h, w) to the model's first output, float32 (N, C, h, w)."""
        session = shared_session(self, lambda: _make_session(self))
        name = session.get_inputs()[0].name
        parts = [batch] if self.spec.batchable else np.split(batch, len(batch))
        return np.concatenate([session.run(None, {name: part})[0] for part in parts])


def _make_session(backend: OnnxRuntimeBackend) -> Any:
    try:
        import onnxruntime
    except ImportError as err:
        msg = (
            'removing backgrounds needs ONNX Runtime: `pip install "bgremoval_mm[cpu]"`, or '
            '`pip install "bgremoval_mm[gpu]"` on a machine with an NVIDIA GPU'
        )
        raise ImportError(msg) from err

    providers = _choose_providers(backend.device, onnxruntime)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = backend.num_threads
    options.log_severity_level = 3
    graph = make_batchable(read_weights(backend), backend.spec)
    session = onnxruntime.InferenceSession(graph, options, providers=providers)

    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    if wanted not in session.get_providers():
        # ONNX Runtime falls back to the CPU without an error when the CUDA libraries that
        # a provider needs do not load.
        msg = (
            f'device={backend.device!r} was asked for, but ONNX Runtime could not load '
            f'{wanted} and offers {session.get_providers()}: the CUDA or cuDNN libraries are '
            'missing or of another version than onnxruntime-gpu was built for. '
            "Use device='cpu', or mend the installation (`python tools/doctor.py`)."
        )
        if backend.device != 'auto':
            raise DeviceError(msg)
        logger.warning(msg)
    if backend.device == 'auto':
        logger.info("device='auto': %s runs on %s", backend.spec.name, session.get_providers()[0])
    return session


def _choose_providers(device: str, onnxruntime: Any) -> list[Any]:
    available = onnxruntime.get_available_providers()
    kind, _, index = device.partition(':')
    has_cuda = 'CUDAExecutionProvider' in available
    if kind == 'cuda' and not has_cuda:
        msg = (
            f'device={device!r} was asked for, but this ONNX Runtime offers only {available}. '
            'For an NVIDIA GPU: `pip uninstall -y onnxruntime && '
            "pip install onnxruntime-gpu`; otherwise use device='cpu'."
        )
        raise DeviceError(msg)
    if kind == 'cpu' or not has_cuda:
        return ['CPUExecutionProvider']
    # Makes the CUDA libraries that torch's packages bring visible to ONNX Runtime.
    onnxruntime.preload_dlls()
    return [('CUDAExecutionProvider', {'device_id': int(index or 0)}), 'CPUExecutionProvider']
