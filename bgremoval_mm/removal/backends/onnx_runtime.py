"""The ONNX files under ONNX Runtime: rembg's own masks on CPUs and NVIDIA GPUs; TensorRT."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bgremoval_mm.removal.backends.base import Backend, DeviceError
from bgremoval_mm.removal.backends.buckets import bucket_of, pad
from bgremoval_mm.removal.backends.onnx_graph import check_input, make_batchable, to_half
from bgremoval_mm.removal.backends.sessions import run_session
from bgremoval_mm.removal.options.choice import is_installed
from bgremoval_mm.removal.zoo.weights import cache_dir, read_weights

__all__ = ['OnnxRuntimeBackend', 'TensorRtBackend', 'choose_providers']

logger = logging.getLogger(__name__)

_RUNTIME = 'onnxruntime'
_CPU = 'CPUExecutionProvider'
_CUDA = 'CUDAExecutionProvider'
_TENSORRT = 'TensorrtExecutionProvider'


@dataclass(frozen=True)
class OnnxRuntimeBackend(Backend):
    """A model under ONNX Runtime, on the CPU or an NVIDIA GPU.

    fp16 is for GPUs: weights and maps in half precision, input and output in float32.
    """

    provider: ClassVar[str] = _CUDA

    @property
    def has_streams(self) -> bool:
        """Whether several runs can share the CPU's threads."""
        return not self.uses_gpu

    @property
    def uses_gpu(self) -> bool:
        """Whether it runs on a GPU, on a machine that has one."""
        device = self.options.device
        unknown = device == 'auto' and is_installed('onnxruntime-gpu')
        return self.provider != _CUDA or device.startswith('cuda') or unknown

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network; see Backend."""
        return np.concatenate([self._run_part(part) for part in self.parts(batch)])

    def _run_part(self, part: np.ndarray) -> np.ndarray:
        return run_session(
            _RUNTIME, self, lambda: _make_session(self), lambda session: _run(session, part)
        )


@dataclass(frozen=True)
class TensorRtBackend(OnnxRuntimeBackend):
    """A model under ONNX Runtime's TensorRT provider.

    One engine per bucket of batch sizes, built at first need and kept beside the weights: it fits
    the GPU, the driver and the versions that it was built with, which TensorRT checks.
    """

    provider: ClassVar[str] = _TENSORRT

    def _run_part(self, part: np.ndarray) -> np.ndarray:
        bucket = bucket_of(len(part))
        return run_session(
            _RUNTIME,
            (self, bucket),
            lambda: _make_session(self, bucket),
            lambda session: _run(session, part),
        )


def _run(session: Any, batch: np.ndarray) -> np.ndarray:
    """Run a session; on a GPU with bound memory, padded to a bucket."""
    name = session.get_inputs()[0].name
    if session.get_providers()[0] == _CPU:
        output: np.ndarray = session.run([session.get_outputs()[0].name], {name: batch})[0]
        return output
    padded = pad(batch)
    binding = session.io_binding()
    binding.bind_cpu_input(name, np.ascontiguousarray(padded))
    binding.bind_output(session.get_outputs()[0].name, 'cuda', _device_index(session))
    session.run_with_iobinding(binding)
    output = binding.copy_outputs_to_cpu()[0]
    return output[: len(batch)]


def _device_index(session: Any) -> int:
    options = session.get_provider_options()[session.get_providers()[0]]
    return int(options.get('device_id', 0))


def _make_session(backend: OnnxRuntimeBackend, bucket: int = 0) -> Any:
    try:
        import onnxruntime
    except ImportError as err:
        msg = (
            'removing backgrounds needs ONNX Runtime: `pip install "bgremoval_mm[cpu]"`, or '
            '`pip install "bgremoval_mm[gpu]"` on a machine with an NVIDIA GPU'
        )
        raise ImportError(msg) from err

    chosen = backend.options
    providers = choose_providers(backend, onnxruntime.get_available_providers(), bucket)
    if providers[0] != _CPU:
        # Makes the CUDA libraries that torch's packages bring visible to ONNX Runtime.
        onnxruntime.preload_dlls()
    elif chosen.precision == 'fp16':
        msg = "precision='fp16' needs a GPU; on a CPU take 'fp32', or 'bf16' with OpenVINO"
        raise DeviceError(msg)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = backend.threads_per_stream()
    options.log_severity_level = 3
    graph = read_weights(chosen.spec, chosen.accept_licence)
    # A job repays the half second that it takes to cut off the outputs that nobody reads.
    if chosen.batch_size > 1 or bucket or backend.streams > 1:
        graph = make_batchable(graph, chosen.spec, bucket)
    # TensorRT chooses the precision of each layer itself.
    if chosen.precision == 'fp16' and backend.provider == _CUDA:
        graph = to_half(graph)
    session = onnxruntime.InferenceSession(graph, options, providers=providers)
    image = session.get_inputs()[0]
    check_input(image.name, image.shape, chosen.spec)

    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    if wanted not in session.get_providers():
        # ONNX Runtime falls back to the CPU without an error when the CUDA libraries that
        # a provider needs do not load.
        msg = (
            f'device={chosen.device!r} was asked for, but ONNX Runtime could not load '
            f'{wanted} and offers {session.get_providers()}: the CUDA, cuDNN or TensorRT libraries '
            'are missing or of another version than onnxruntime-gpu was built for. '
            "Use device='cpu', or fix the installation (`python tools/doctor.py`)."
        )
        if chosen.device != 'auto' or wanted == _TENSORRT:
            raise DeviceError(msg)
        logger.warning(msg)
    if chosen.device == 'auto':
        logger.info("device='auto': %s runs on %s", chosen.spec.name, session.get_providers()[0])
    return session


def choose_providers(
    backend: OnnxRuntimeBackend, available: list[str], bucket: int = 0
) -> list[Any]:
    """Return ONNX Runtime's providers for a backend's device, with their options.

    Args:
        backend: The backend.
        available: What ONNX Runtime offers.
        bucket: Batch size of TensorRT's engine.

    Raises:
        DeviceError: If the device that was asked for is not offered, or not the backend's.
    """
    chosen = backend.options
    kind, _, index = chosen.device.partition(':')
    if kind == 'cpu' and backend.provider == _TENSORRT:
        msg = "backend='tensorrt' runs on NVIDIA GPUs, but device='cpu' was asked for"
        raise DeviceError(msg)
    wants_gpu = kind == 'cuda' or backend.provider == _TENSORRT
    if wants_gpu and backend.provider not in available:
        extra = ' tensorrt' if backend.provider == _TENSORRT else ''
        install = f'pip install onnxruntime-gpu{extra}'
        msg = (
            f'device={chosen.device!r} was asked for, but this ONNX Runtime offers only '
            f'{available}, not {backend.provider}. For an NVIDIA GPU: `pip uninstall -y '
            f"onnxruntime && {install}`; otherwise use device='cpu'."
        )
        raise DeviceError(msg)
    if kind == 'cpu' or _CUDA not in available:
        return [_CPU]
    device_id = int(index or 0)
    # TF32, with its 10 bits, is on unless told otherwise, and masks not within a level of rembg's.
    providers: list[Any] = [(_CUDA, {'device_id': device_id, 'use_tf32': False}), _CPU]
    if backend.provider == _TENSORRT:
        folder = cache_dir() / f'{chosen.spec.name}-tensorrt'
        folder.mkdir(parents=True, exist_ok=True)
        providers.insert(
            0,
            (
                _TENSORRT,
                {
                    'device_id': device_id,
                    'trt_fp16_enable': chosen.precision == 'fp16',
                    'trt_engine_cache_enable': True,
                    'trt_engine_cache_path': str(folder),
                    # An engine of other weights or another shape is another file.
                    'trt_engine_cache_prefix': f'{chosen.spec.hash[-16:]}-{bucket}',
                    'trt_timing_cache_enable': True,
                    'trt_timing_cache_path': str(folder),
                },
            ),
        )
    return providers
