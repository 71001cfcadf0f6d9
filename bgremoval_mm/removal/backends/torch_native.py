"""U2-Net and U2-NetP under PyTorch, on GPUs in half precision too."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bgremoval_mm.removal.backends.base import Backend, DeviceError
from bgremoval_mm.removal.backends.buckets import pad
from bgremoval_mm.removal.backends.sessions import run_session
from bgremoval_mm.removal.zoo.weights import read_weights

__all__ = ['CompiledTorchBackend', 'TorchBackend']


@dataclass(frozen=True)
class TorchBackend(Backend):
    """U2-Net or U2-NetP in PyTorch, with the ONNX file's weights, channels last.

    PyTorch's threads are the process's: `num_threads` above 0 sets them for all that computes in
    it, as a DataLoader does in its workers.
    """

    compiled: ClassVar[bool] = False

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network; see Backend."""
        return run_session(
            'torch',
            self,
            lambda: _load(self),
            lambda loaded: self._infer(loaded[0], loaded[1], batch),
        )

    def _infer(self, network: Any, device: Any, batch: np.ndarray) -> np.ndarray:
        import torch

        kinds = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
        kind = kinds[self.options.precision]
        padded = pad(batch) if device.type == 'cuda' or self.compiled else batch
        with torch.inference_mode(), _exact(torch) if kind is torch.float32 else nullcontext():
            inputs = torch.from_numpy(padded).to(
                device, kind, memory_format=torch.channels_last, non_blocking=True
            )
            # The sigmoid in float32: in half precision it would round the map to 256 levels.
            saliency = torch.sigmoid(network(inputs).float())
            found: np.ndarray = saliency[: len(batch)].cpu().numpy()
            return found


@dataclass(frozen=True)
class CompiledTorchBackend(TorchBackend):
    """The same, compiled by TorchInductor; on a GPU into CUDA graphs, one per bucket of sizes.

    Compiling takes a minute or more at the first batch of each size, and a C++ compiler on CPUs.
    """

    compiled: ClassVar[bool] = True


def _load(backend: TorchBackend) -> tuple[Any, Any]:
    try:
        import torch
    except ImportError as err:
        msg = "backend='torch' needs PyTorch: https://pytorch.org/get-started/locally/"
        raise ImportError(msg) from err
    from bgremoval_mm.removal.networks import u2net, u2net_onnx

    chosen = backend.options
    if chosen.num_threads:
        torch.set_num_threads(chosen.num_threads)
    device = _device(chosen.device, torch)
    if chosen.precision == 'fp16' and device.type == 'cpu':
        msg = "precision='fp16' needs a GPU; on a CPU take 'fp32' or 'bf16'"
        raise DeviceError(msg)
    network = {'u2net': u2net.u2net, 'u2netp': u2net.u2netp}[chosen.spec.architecture]()
    u2net_onnx.load_onnx(network, read_weights(chosen.spec, chosen.accept_licence))
    kinds = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}
    network = network.to(device, kinds[chosen.precision])
    # mypy's overloads of `to` leave out the memory format.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fused = u2net_onnx.FusedLogits(network)
    if not backend.compiled:
        return fused, device
    mode = 'reduce-overhead' if device.type == 'cuda' else 'default'
    return torch.compile(fused, mode=mode, dynamic=False), device


def _exact(torch: Any) -> Any:
    """Return what makes cuDNN convolve in float32 as such, not in TF32 with its 10 bits.

    PyTorch allows TF32 unless told otherwise; masks would no longer be within a level of rembg's.
    """
    cudnn = torch.backends.cudnn
    return cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        benchmark_limit=cudnn.benchmark_limit,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    )


def _device(name: str, torch: Any) -> Any:
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    if name.startswith('cuda') and not torch.cuda.is_available():
        msg = f'device={name!r} was asked for, but PyTorch finds no NVIDIA GPU'
        raise DeviceError(msg)
    return torch.device(name)
