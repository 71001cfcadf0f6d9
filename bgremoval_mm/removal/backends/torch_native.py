"""U2-Net and U2-NetP in PyTorch: on GPUs in half precision, and the network to train further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bgremoval_mm.removal.backends.base import DeviceError, Settings, read_weights
from bgremoval_mm.removal.backends.buckets import pad
from bgremoval_mm.removal.backends.sessions import run_session

PRECISIONS = ('fp32', 'bf16', 'fp16')
MODELS = ('u2net', 'u2netp')


@dataclass(frozen=True)
class TorchBackend(Settings):
    """U2-Net or U2-NetP in PyTorch, with the ONNX file's weights, channels last.

    PyTorch's threads are the process's: `num_threads` above 0 sets them for all that computes in
    it, as a DataLoader does in its workers.
    """

    compiled: ClassVar[bool] = False

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Float32 inputs (N, 3, h, w) to the model's first output, float32 (N, 1, h, w)."""
        return run_session(
            self, lambda: _load(self), lambda loaded: self._infer(loaded[0], loaded[1], batch)
        )

    def _infer(self, network: Any, device: Any, batch: np.ndarray) -> np.ndarray:
        import torch

        kinds = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
        kind = kinds[self.precision]
        padded = pad(batch) if device.type == 'cuda' or self.compiled else batch
        with torch.inference_mode():
            inputs = torch.from_numpy(padded).to(
                device, kind, memory_format=torch.channels_last, non_blocking=True
            )
            # The sigmoid in float32: in half precision it would round the map to 256 levels.
            saliency = torch.sigmoid(network(inputs).float())
            found: np.ndarray = saliency[: len(batch)].cpu().numpy()
            return found


@dataclass(frozen=True)
class CompiledTorchBackend(TorchBackend):
    """The same, compiled by TorchInductor; on a GPU into CUDA graphs, one a bucket of sizes.

    Compiling takes a minute or more at the first batch of each size, and a C++ compiler on CPUs.
    """

    compiled: ClassVar[bool] = True


def _load(backend: TorchBackend) -> tuple[Any, Any]:
    try:
        import torch
    except ImportError as err:
        msg = "backend='torch' needs PyTorch: https://pytorch.org/get-started/locally/"
        raise ImportError(msg) from err
    from bgremoval_mm.removal.networks import u2net

    if backend.num_threads:
        torch.set_num_threads(backend.num_threads)
    device = _device(backend.device, torch)
    if backend.precision == 'fp16' and device.type == 'cpu':
        msg = "precision='fp16' needs a GPU; on a CPU take 'fp32' or 'bf16'"
        raise DeviceError(msg)
    network = {'u2net': u2net.u2net, 'u2netp': u2net.u2netp}[backend.spec.name]()
    u2net.load_onnx(network, read_weights(backend))
    kinds = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
    network = network.to(device, kinds[backend.precision])
    # mypy's overloads of `to` leave out the memory format.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fused = u2net.FusedLogits(network)
    if not backend.compiled:
        return fused, device
    mode = 'reduce-overhead' if device.type == 'cuda' else 'default'
    return torch.compile(fused, mode=mode, dynamic=False), device


def _device(name: str, torch: Any) -> Any:
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    if name.startswith('cuda') and not torch.cuda.is_available():
        msg = f'device={name!r} was asked for, but PyTorch finds no NVIDIA GPU'
        raise DeviceError(msg)
    return torch.device(name)
