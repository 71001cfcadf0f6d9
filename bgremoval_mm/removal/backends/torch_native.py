"""U2-Net and U2-NetP under PyTorch, on GPUs in half precision too."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bgremoval_mm.removal.backends.base import Backend, DeviceError
from bgremoval_mm.removal.backends.buckets import pad
from bgremoval_mm.removal.backends.device_threads import run_on_device
from bgremoval_mm.removal.backends.sessions import run_session
from bgremoval_mm.removal.networks.preprocessing import input_tables
from bgremoval_mm.removal.zoo.weights import read_weights
from bgremoval_mm.utils.cpu import available_cores, computes_in_bf16

__all__ = ['CompiledTorchBackend', 'TorchBackend']


@dataclass(frozen=True)
class TorchBackend(Backend):
    """U2-Net or U2-NetP in PyTorch, with the ONNX file's weights, channels last.

    One thread of the process loads and runs all networks of a device. PyTorch's threads are the
    process's: `num_threads` above 0 sets them for all that begins to compute in it, as a DataLoader
    does in its workers, and so does a control group's quota of fewer cores.
    """

    compiled: ClassVar[bool] = False
    takes_pixels: ClassVar[bool] = True

    @property
    def runs_at_once(self) -> int:
        """Two: while the device computes one batch, the next one is on its way to it."""
        return 2

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network; see Backend."""
        side = self.options.spec.size
        if batch.dtype != np.uint8 or batch.shape[1:] != (side, side, 3):
            msg = (
                f'`batch` must be photos of shape (N, {side}, {side}, 3) in uint8, as '
                f"BackgroundRemover.preprocess makes them for backend='torch', but got "
                f'{batch.dtype} of shape {batch.shape}'
            )
            raise TypeError(msg)
        torch = _import_torch()
        device = _device(self.options.device, torch)

        def start() -> Callable[[], np.ndarray]:
            finish: Callable[[], np.ndarray] = run_session(
                'torch',
                self,
                lambda: _load(self, device, torch),
                lambda session: session.start(batch),
            )
            return finish

        return run_on_device(str(device), start)()


@dataclass(frozen=True)
class CompiledTorchBackend(TorchBackend):
    """The same, compiled by TorchInductor; on a GPU into CUDA graphs, one per bucket of sizes.

    Compiling takes a minute or more at the first batch of each size, and a C++ compiler on CPUs.
    """

    compiled: ClassVar[bool] = True


class _Session:
    """A network on its device, and the arithmetic around it: photos in, masks out.

    What comes before and after the network is not compiled with it: TorchInductor's division is
    not rounded as numpy's is.

    Args:
        network: Normalised photos to logits, both (N, C, h, w).
        backend: What it is the session of.
        device: Where the network is.
        torch: The module.
    """

    def __init__(self, network: Any, backend: TorchBackend, device: Any, torch: Any) -> None:
        spec, precision = backend.options.spec, backend.options.precision
        self._torch, self._network, self._device = torch, network, device
        self._activation = spec.activation
        self._is_exact = precision == 'fp32'
        # On a GPU, copies go by pinned memory, and nobody waits for them but who wants the masks.
        self._is_apart = device.type == 'cuda'
        self._is_padded = self._is_apart or backend.compiled
        tables = torch.from_numpy(input_tables(spec)).flatten()
        self._inputs = tables.to(device, _kind(precision, torch))
        self._channels = torch.arange(3, dtype=torch.int32, device=device) * 256

    def start(self, batch: np.ndarray) -> Callable[[], np.ndarray]:
        """Begin to compute the masks of a batch; to be called by the device's thread.

        Args:
            batch: Photos, uint8 of shape (N, size, size, 3).

        Returns:
            What waits for the masks and returns them, uint8 (N, size, size): for any thread. On a
            GPU, the next batch can be started before that.
        """
        torch = self._torch
        padded = pad(batch) if self._is_padded else batch
        exact = _exact(torch) if self._is_exact else nullcontext()
        with torch.inference_mode(), exact:
            photos = torch.from_numpy(np.require(padded, requirements=['C', 'W']))
            if self._is_apart:
                photos = photos.pin_memory().to(self._device, non_blocking=True)
            logits = self._network(self._normalise(photos))
            # The sigmoid in float32: in half precision it would round the map to 256 levels.
            masks = _to_masks(torch.sigmoid(logits.float()), self._activation, torch)
            return self._fetch(masks, len(batch))

    def _normalise(self, photos: Any) -> Any:
        """Return what `normalise` of networks/preprocessing does, (N, 3, h, w), channels last."""
        tops = photos.amax((1, 2, 3), keepdim=True).int()
        index = photos.int() + self._channels + 768 * tops
        inputs = self._inputs.index_select(0, index.flatten()).view(index.shape)
        return inputs.permute(0, 3, 1, 2)

    def _fetch(self, masks: Any, count: int) -> Callable[[], np.ndarray]:
        if not self._is_apart:
            found: np.ndarray = masks[:count].numpy()
            return lambda: found
        torch = self._torch
        pinned = torch.empty(masks.shape, dtype=torch.uint8, pin_memory=True)
        pinned.copy_(masks, non_blocking=True)
        done = torch.cuda.Event(blocking=True)  # leaves the core to those who decode and encode
        done.record()

        def finish() -> np.ndarray:
            done.synchronize()
            # Copied: pinned memory is dear, and a mask may wait long to be written.
            copied: np.ndarray = pinned[:count].numpy().copy()
            return copied

        return finish


def _to_masks(maps: Any, activation: str, torch: Any) -> Any:
    """Return the masks of maps (N, C, h, w) on their device, uint8 (N, h, w).

    It is what BackgroundRemover does with the maps of other runtimes, and `stretch` of
    masks/functional in the same order, so that the masks are equal to the bit.
    """
    if activation == 'argmax':
        return (maps.argmax(1) > 0).to(torch.uint8) * 255
    saliency = maps[:, 0]
    if activation == 'sigmoid-minmax':
        saliency = 1 / (1 + torch.exp(-saliency))
    low, high = saliency.amin((1, 2), keepdim=True), saliency.amax((1, 2), keepdim=True)
    stretched = ((saliency - low) / (high - low)).clamp(0, 1) * 255
    # Constant, or not finite: no foreground.
    is_good = torch.isfinite(high - low) & (high > low)
    return torch.where(is_good, stretched, 0).to(torch.uint8)


def _load(backend: TorchBackend, device: Any, torch: Any) -> _Session:
    from bgremoval_mm.removal.networks import u2net, u2net_onnx

    chosen = backend.options
    if device.type == 'cuda':
        torch.cuda.set_device(device)  # of this thread, which is the device's
    elif chosen.precision == 'fp16':
        msg = "precision='fp16' needs a GPU; on a CPU take 'fp32' or 'bf16'"
        raise DeviceError(msg)
    elif chosen.precision == 'bf16' and not computes_in_bf16():
        msg = (
            "precision='bf16' needs a GPU, or a CPU with AVX-512 BF16 or AMX; on this one it is "
            "slower than 'fp32'"
        )
        raise DeviceError(msg)
    threads = chosen.num_threads
    if not threads and device.type == 'cpu':
        # PyTorch knows of affinities and OMP_NUM_THREADS, but not of quotas; a DataLoader, which
        # gives its workers fewer threads, is to have its way.
        cores = available_cores()
        threads = cores if cores < torch.get_num_threads() else 0
    if threads:
        torch.set_num_threads(threads)
    network = {'u2net': u2net.u2net, 'u2netp': u2net.u2netp}[chosen.spec.architecture]()
    network.float()  # whatever `torch.set_default_dtype` says: the weights are not to be rounded
    u2net_onnx.load_onnx(network, read_weights(chosen.spec, chosen.accept_licence))
    network = network.to(device, _kind(chosen.precision, torch))
    # mypy's overloads of `to` leave out the memory format.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fused: Any = u2net_onnx.FusedLogits(network)
    if backend.compiled:
        fused = _compile(fused, device, torch)
    return _Session(fused, backend, device, torch)


def _compile(network: Any, device: Any, torch: Any) -> Any:
    """Return the compiled network, to be run by this thread."""
    from torch._dynamo import config

    if device.type == 'cuda':
        _record_in_this_thread()
    mode = 'reduce-overhead' if device.type == 'cuda' else 'default'
    compiled = torch.compile(network, mode=mode, dynamic=False)

    def run(photos: Any) -> Any:
        # All networks, precisions and buckets count together: PyTorch's own limit is 8, and from
        # there on nothing more is compiled.
        with config.patch(cache_size_limit=config.accumulated_cache_size_limit):
            return compiled(photos)

    return run


def _record_in_this_thread() -> None:
    """Let this thread record CUDA graphs, even if another one has done so.

    TorchInductor gives the book that it keeps of graphs to the thread that imports its module: in
    any other one its assertion fails, be it another device's or the program's own.
    """
    from torch._inductor import cudagraph_trees

    if not hasattr(cudagraph_trees.local, 'tree_manager_containers'):
        cudagraph_trees.local.tree_manager_containers = {}
        cudagraph_trees.local.tree_manager_locks = defaultdict(threading.Lock)


def _kind(precision: str, torch: Any) -> Any:
    return {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}[precision]


class _Exact:
    """What makes convolutions in float32 compute as such, not in TF32 with its 10 bits.

    PyTorch allows TF32 unless told otherwise; masks would no longer be within a level of rembg's.
    Its flags are those of the process: of several devices that are in here at once, the last one
    puts back what the first one found.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._undo: list[Callable[[], None]] = []

    @contextmanager
    def __call__(self, torch: Any) -> Iterator[None]:
        """Return the context in which it is so."""
        with self._lock:
            if not self._inside:
                self._undo = _compute_in_float32(torch)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self.undo()

    def undo(self) -> None:
        """Put back what was found."""
        for undo in self._undo:
            undo()
        self._undo = []


_exact = _Exact()


def _leave_parents_devices() -> None:
    """Put the flags back in a forked child, where no device is computing."""
    global _exact  # noqa: PLW0603
    _exact.undo()
    _exact = _Exact()


os.register_at_fork(after_in_child=_leave_parents_devices)


def _compute_in_float32(torch: Any) -> list[Callable[[], None]]:
    """Set PyTorch's flags, and return what puts them back."""
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    if hasattr(cudnn, 'conv'):
        return [_set_precision(each.conv) for each in (cudnn, mkldnn)]
    allowed = cudnn.allow_tf32  # before torch 2.9, which fails where both ways are mixed
    cudnn.allow_tf32 = False
    return [lambda: setattr(cudnn, 'allow_tf32', allowed)]


def _set_precision(flag: Any) -> Callable[[], None]:
    former = flag.fp32_precision
    flag.fp32_precision = 'none'  # now it says what would hold without it
    again = 'none' if flag.fp32_precision == former else former
    flag.fp32_precision = 'ieee'
    return lambda: setattr(flag, 'fp32_precision', again)


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as err:
        msg = "backend='torch' needs PyTorch: https://pytorch.org/get-started/locally/"
        raise ImportError(msg) from err
    return torch


def _device(name: str, torch: Any) -> Any:
    """Return the device of a name, a GPU with its number: each has one thread.

    Raises:
        DeviceError: If it is not there.
    """
    kind, _, number = name.partition(':')
    found = torch.cuda.device_count() if kind != 'cpu' and torch.cuda.is_available() else 0
    if kind == 'cpu' or (kind == 'auto' and not found):
        return torch.device('cpu')
    if not found:
        msg = f'device={name!r} was asked for, but PyTorch finds no NVIDIA GPU'
        raise DeviceError(msg)
    if int(number or 0) >= found:
        last = f'cuda:{found - 1}'
        msg = f'device={name!r} was asked for, but the last GPU that PyTorch finds is {last}'
        raise DeviceError(msg)
    return torch.device('cuda', int(number or 0))
