"""A batch of network inputs in, a batch of saliency maps out: one class a runtime.

Sessions are shared by every remover of a process and made when first needed. They are
never carried over a fork: a child makes its own.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bgremoval_mm.removal.catalogue import ModelSpec
from bgremoval_mm.removal.weights import (
    WeightsError,
    check_licence,
    fetch_weights,
    find_weights,
    read_verified,
)

logger = logging.getLogger(__name__)

BACKENDS = ('auto', 'onnxruntime')
PRECISIONS = ('fp32',)


class DeviceError(RuntimeError):
    """The device that was asked for is not there."""


class Backend(Protocol):
    """What a remover needs of a runtime."""

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Float32 inputs (N, 3, h, w) to the model's first output, float32 (N, C, h, w)."""


@dataclass(frozen=True)
class OnnxRuntimeBackend:
    """A model under ONNX Runtime. Holds no session itself, so it can be pickled.

    Attributes:
        spec: The model.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'`` or ``'auto'``.
        num_threads: Threads of one run on the CPU; 0 takes all cores.
        accept_licence: Accept weights that are not for commercial use.
    """

    spec: ModelSpec
    device: str = 'auto'
    num_threads: int = 0
    accept_licence: bool = False

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Float32 inputs (N, 3, h, w) to the model's first output, float32 (N, C, h, w)."""
        session = _shared_session(self)
        name = session.get_inputs()[0].name
        parts = [batch] if self.spec.batchable else np.split(batch, len(batch))
        return np.concatenate([session.run(None, {name: part})[0] for part in parts])


_sessions: dict[OnnxRuntimeBackend, Any] = {}
_inherited: list[Any] = []
_lock = threading.Lock()


def release_sessions() -> None:
    """Drop this process's sessions and the memory that they hold; they come back if needed."""
    with _lock:
        _sessions.clear()


def _shared_session(backend: OnnxRuntimeBackend) -> Any:
    with _lock:
        if backend not in _sessions:
            _sessions[backend] = _make_session(backend)
        return _sessions[backend]


def _forget_parents_sessions() -> None:
    """Start without sessions in a forked child.

    The parent's have lost their threads here: running one hangs, and so may destroying it,
    hence they are set aside. The lock may have been held by another thread at the fork.
    """
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _inherited.append(dict(_sessions))
    _sessions.clear()


os.register_at_fork(after_in_child=_forget_parents_sessions)


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
    check_licence(backend.spec, backend.accept_licence)
    path = find_weights(backend.spec) or fetch_weights(backend.spec, backend.accept_licence)
    graph = make_batchable(read_verified(path, backend.spec), backend.spec)
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
    if kind not in ('auto', 'cpu', 'cuda') or (index and not (kind == 'cuda' and index.isdigit())):
        msg = f"`device` must be 'auto', 'cpu', 'cuda' or 'cuda:N', but got {device!r}"
        raise ValueError(msg)
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


def make_batchable(content: bytes, spec: ModelSpec) -> bytes:
    """The same ONNX graph for any batch size and with its first output alone.

    rembg's files fix the batch dimension at 1 and return seven maps, of which only the
    first is used.

    Raises:
        WeightsError: If the graph does not take one image tensor of the model's size.
    """
    import onnx

    graph = onnx.load_model_from_string(content)
    image = graph.graph.input[0]
    shape = [d.dim_value for d in image.type.tensor_type.shape.dim]
    if len(shape) != 4 or shape[1] not in (0, 3) or shape[2] not in (0, spec.size):
        msg = (
            f'the graph of {spec.name} must take (N, 3, {spec.size}, {spec.size}), '
            f'but its input {image.name!r} is {shape}'
        )
        raise WeightsError(msg)
    if not spec.batchable:
        return content
    del graph.graph.output[1:]
    for tensor in (image, graph.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_param = 'batch'
    # Inner shapes that were recorded for a batch of one no longer hold.
    del graph.graph.value_info[:]
    return graph.SerializeToString()
