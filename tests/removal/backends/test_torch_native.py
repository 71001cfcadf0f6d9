"""The torch backend: masks to the bit, copies that nobody waits for, one thread for all callers."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from bgremoval_mm.removal import (
    CATALOGUE,
    BackgroundRemover,
    DeviceError,
    ModelSpec,
    release_sessions,
    remove_tree,
)
from bgremoval_mm.removal.backends import TorchBackend, make_backend, torch_native
from bgremoval_mm.removal.backends.buckets import pad
from bgremoval_mm.removal.backends.device_threads import run_on_device
from bgremoval_mm.removal.networks.preprocessing import normalise
from bgremoval_mm.removal.networks.u2net import u2netp
from bgremoval_mm.removal.networks.u2net_onnx import FusedLogits
from bgremoval_mm.removal.options import EngineOptions

SIDE = 32
CPU = torch.device('cpu')
Network = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(autouse=True)
def no_sessions() -> Iterator[None]:
    """Sessions of stand-ins are no one else's."""
    release_sessions()
    yield
    release_sessions()


@pytest.fixture(scope='module')
def network() -> Network:
    """U2-NetP at random, channels last."""
    torch.manual_seed(0)
    return FusedLogits(u2netp().eval()).to(memory_format=torch.channels_last)


def session_of(
    network: Network, precision: str = 'fp32', activation: str = 'minmax'
) -> torch_native._Session:
    """A session of U2-NetP at 32 x 32 pixels on the CPU."""
    spec = replace(CATALOGUE['u2netp'], size=SIDE, activation=activation)
    options = EngineOptions(spec, 'torch', 'cpu', precision, 2)
    return torch_native._Session(network, make_backend(options), CPU, torch)


def pictures() -> np.ndarray:
    """Photos of every kind of maximum: noise, faint noise, black, plain, and single odd values."""
    random = np.random.default_rng(0)
    shape = (SIDE, SIDE, 3)
    noise = [random.integers(0, top, shape, np.uint8, endpoint=True) for top in (255, 254, 97, 2)]
    plain = [np.full(shape, level, np.uint8) for level in (0, 1, 200, 0, 0, 255)]
    for photo, level in zip(plain[3:], (255, 1, 0), strict=True):
        photo[7, 8, 1] = level
    return np.stack([*noise, *plain])


def rembg_inputs(photos: np.ndarray) -> np.ndarray:
    """The network's inputs by rembg's formula, in float64 and rounded once: (N, 3, h, w)."""
    spec = CATALOGUE['u2netp']
    scaled = [photo / max(np.max(photo), 1e-6) for photo in photos]
    inputs = (np.stack(scaled) - np.array(spec.mean)) / np.array(spec.std)
    return inputs.transpose(0, 3, 1, 2).astype(np.float32)


def rembg_mask(saliency: np.ndarray) -> np.ndarray:
    """The mask of a map (h, w) by rembg's formula, in float32; black where there is nothing."""
    low, high = saliency.min(), saliency.max()
    if not high > low:
        return np.zeros(saliency.shape, np.uint8)
    return ((saliency - low) / (high - low) * 255).astype(np.uint8)


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@pytest.mark.parametrize('batch_size', [1, 3, 10])
def test_masks_are_equal_to_the_bit(network: Network, precision: str, batch_size: int) -> None:
    """As where numpy normalises, the network takes float32, and numpy stretches its maps."""
    kind = {'fp32': torch.float32, 'bf16': torch.bfloat16}[precision]
    changed = FusedLogits(network.network).to(kind)
    photos = pictures()
    inputs = rembg_inputs(photos)
    np.testing.assert_array_equal(
        np.stack([normalise(each, CATALOGUE['u2netp']) for each in photos]), inputs
    )
    found, expected = [], []
    session = session_of(changed, precision)
    for start in range(0, len(photos), batch_size):
        found += list(session.start(photos[start : start + batch_size])())
        batch = torch.from_numpy(inputs[start : start + batch_size])
        with torch.inference_mode():
            logits = changed(batch.to(kind, memory_format=torch.channels_last))
            maps = torch.sigmoid(logits.float()).numpy()
        expected += [rembg_mask(each[0]) for each in maps]
    np.testing.assert_array_equal(np.stack(found), np.stack(expected))
    assert found[0].dtype == np.uint8
    assert all(mask.max() == 255 for mask in found)


def test_inputs_are_equal_to_the_bit() -> None:
    """What the network gets on its device is numpy's, for all maxima and levels, channels last."""
    seen = []

    def note(inputs: torch.Tensor) -> torch.Tensor:
        seen.append(inputs)
        return inputs[:, :1]

    tops = np.arange(256, dtype=np.uint8)
    photos = np.zeros((256, SIDE, SIDE, 3), np.uint8)
    photos[:] = np.arange(SIDE * SIDE * 3).reshape(SIDE, SIDE, 3) % 256
    photos = np.minimum(photos, tops[:, None, None, None])
    session_of(note).start(photos)()
    np.testing.assert_array_equal(seen[0].numpy(), rembg_inputs(photos))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('logit', [0.0, -200.0, np.nan, np.inf])
def test_maps_without_contrast(logit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant map, or one that is not finite, has an empty mask and is reported as such."""
    load = lambda *_: session_of(lambda inputs: torch.full_like(inputs[:, :1], logit))  # noqa: E731
    monkeypatch.setattr(torch_native, '_load', load)
    spec = replace(CATALOGUE['u2netp'], size=SIDE)
    ((mask, constant),) = BackgroundRemover(spec, 'torch', 'cpu').infer(pictures()[:1])
    assert (mask.shape, mask.any(), constant) == ((SIDE, SIDE), False, True)


@pytest.mark.parametrize('activation', ['minmax', 'sigmoid-minmax', 'argmax'])
def test_every_activation(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks are those that a remover makes of the same maps from another runtime."""
    maps = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 2, 8, 8)).astype(np.float32))
    maps[1] = 0.5
    spec = replace(CATALOGUE['u2netp'], size=8, activation=activation)
    other = BackgroundRemover(spec, 'onnxruntime', 'cpu')
    monkeypatch.setattr(type(other.backend), 'run', lambda *_: maps.numpy())
    ours = BackgroundRemover(spec, 'torch', 'cpu')
    masks = torch_native._to_masks(maps, activation, torch).numpy()
    monkeypatch.setattr(TorchBackend, 'run', lambda *_: masks)
    expected = other.infer(np.empty(0))
    for (mask, constant), (wanted, empty) in zip(ours.infer(np.empty(0)), expected, strict=True):
        # numpy's and PyTorch's exponentials may differ in their last bit.
        assert np.abs(mask.astype(int) - wanted).max() <= (activation == 'sigmoid-minmax')
        assert constant == empty


def test_wrong_batches_are_described() -> None:
    """Inputs that other backends take are named, with what is taken here."""
    remover = BackgroundRemover(replace(CATALOGUE['u2netp'], size=8), 'torch', 'cpu')
    for batch, got in (
        (np.zeros((1, 3, 8, 8), np.float32), r'float32 of shape \(1, 3, 8, 8\)'),
        (np.zeros((1, 9, 9, 3), np.uint8), r'uint8 of shape \(1, 9, 9, 3\)'),
    ):
        with pytest.raises(TypeError, match=rf'photos of shape \(N, 8, 8, 3\) in uint8.*{got}'):
            remover.infer(batch)


class Cuda:
    """torch on a GPU, in part: pinned memory that is filled when its event is waited for."""

    def __init__(self) -> None:
        self.copies: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.waits: list[str] = []
        self.cuda = SimpleNamespace(Event=self.event)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype, pin_memory: bool) -> torch.Tensor:
        """Return pinned memory."""
        assert pin_memory
        made = torch.zeros(shape, dtype=dtype).as_subclass(Pinned)
        made.copies = self.copies
        return made

    def event(self, blocking: bool) -> SimpleNamespace:
        """Return an event, at which what was noted until it is recorded is copied."""
        assert blocking
        recorded: list[tuple[torch.Tensor, torch.Tensor]] = []

        def synchronize() -> None:
            self.waits.append(threading.current_thread().name)
            with torch.inference_mode():
                for target, source in recorded:
                    target.as_subclass(torch.Tensor).copy_(source)

        def record() -> None:
            recorded.extend(self.copies)
            self.copies.clear()

        return SimpleNamespace(record=record, synchronize=synchronize)


class Pinned(torch.Tensor):
    """Pinned memory: copies are only noted."""

    def copy_(self, source: torch.Tensor, non_blocking: bool = False) -> None:
        """Note a copy from the device."""
        assert non_blocking
        self.copies.append((self, source.clone()))

    def to(self, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        """Return what is on the device."""
        assert non_blocking
        return self.as_subclass(torch.Tensor).clone()


def test_nobody_waits_for_copies(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, batches go by pinned memory, padded; several are started before one is fetched."""
    sizes = []

    def note(inputs: torch.Tensor) -> torch.Tensor:
        sizes.append(len(inputs))
        return network(inputs)

    photos = pictures()
    expected = session_of(network).start(photos)()
    session, stand_in = session_of(note), Cuda()
    session._torch, session._is_apart, session._is_padded = stand_in, True, True
    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda self: self.clone().as_subclass(Pinned))
    fetches = [session.start(photos[start : start + 3]) for start in (0, 3, 6, 9)]
    assert (sizes, stand_in.waits) == ([4, 4, 4, 1], [])
    found = [fetch() for fetch in reversed(fetches)][::-1]
    assert len(stand_in.waits) == 4
    assert [len(each) for each in found] == [3, 3, 3, 1]
    assert all(type(each.base) is type(None) for each in found)  # no view of pinned memory
    for start, masks in zip((0, 3, 6, 9), found, strict=True):
        padded = pad(photos[start : start + 3])
        again = session_of(network).start(padded)()[: len(masks)]
        np.testing.assert_array_equal(masks, again)
    assert np.abs(np.concatenate(found).astype(int) - expected).max() <= 1


class Graphs:
    """A session as a CUDA graph is: only the thread that has recorded it may replay it."""

    made: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.thread, self.inside = threading.get_ident(), 0
        Graphs.made.append(self.thread)

    def start(self, batch: np.ndarray) -> Callable[[], np.ndarray]:
        """Return masks: each photo's red channel."""
        assert threading.get_ident() == self.thread, 'replayed by another thread'
        self.inside += 1
        assert self.inside == 1, 'replayed by two at once'
        masks = batch[..., 0].copy()
        self.inside -= 1
        return lambda: masks


def in_child(remover: BackgroundRemover, photo: np.ndarray, answers: Any) -> None:
    """Use a remover in a forked process."""
    (mask,) = remover([photo])
    answers.put((mask.tolist(), len(Graphs.made)))


@pytest.mark.parametrize('backend', ['torch', 'torch-compiled'])
def test_one_thread_for_all(
    backend: str,
    tiny_model: Callable[..., ModelSpec],
    picture: Callable[..., np.ndarray],
    image_tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two jobs, callers in many threads and a forked child: nobody replays another one's graph."""
    spec = tiny_model('u2netp')
    monkeypatch.setattr(Graphs, 'made', [])
    monkeypatch.setattr(torch_native, '_load', lambda *_: Graphs())
    remover = BackgroundRemover(spec, backend, 'cpu', batch_size=2)
    photo = picture(8, 8)
    context = multiprocessing.get_context('fork')
    answers = context.Queue()

    def job(name: str) -> None:
        done = remove_tree(
            image_tree,
            tmp_path / name,
            spec,
            backend=backend,
            device='cpu',
            batch_size=2,
            progress=False,
        )
        assert (done.done, done.failed) == (6, {})

    job('first')
    np.testing.assert_array_equal(remover([photo])[0], photo[..., 0])
    process = context.Process(target=in_child, args=(remover, photo, answers))
    process.start()
    mask, made = answers.get(timeout=60)
    process.join(60)
    assert (mask, made, process.exitcode) == (photo[..., 0].tolist(), 2, 0)
    job('second')
    with ThreadPoolExecutor(6) as pool:
        for mask in pool.map(lambda _: remover([photo])[0], range(60)):
            np.testing.assert_array_equal(mask, photo[..., 0])
    assert len(Graphs.made) == 1
    assert threading.get_ident() not in Graphs.made


def test_every_bucket_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several networks with nine sizes of batches each: none is left uncompiled, or twice."""
    compiled: list[int] = []

    def count(module: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        compiled.append(len(inputs[-1]))
        return module.forward

    compile_network = torch.compile
    monkeypatch.setattr(
        torch,
        'compile',
        lambda network, **_: compile_network(network, backend=count, dynamic=False),
    )
    limit = torch._dynamo.config.recompile_limit
    sizes = [2**power for power in range(9)]
    for channels in (1, 2):
        network = torch_native._compile(torch.nn.Conv2d(3, channels, 1), CPU, torch)
        for _ in range(2):
            with torch.inference_mode():
                assert [len(network(torch.zeros(size, 3, 2, 2))) for size in sizes] == sizes
    assert sorted(compiled) == sorted(2 * sizes)
    assert torch._dynamo.config.recompile_limit == limit


def test_every_device_records_graphs() -> None:
    """Also if the program, or another device, has loaded TorchInductor's graphs before."""
    from torch._inductor import cudagraph_trees

    def record() -> Any:
        stand_in = SimpleNamespace(compile=lambda network, **_: network)
        torch_native._compile(None, SimpleNamespace(type='cuda'), stand_in)
        return cudagraph_trees.get_container(0), cudagraph_trees.get_container(0)

    assert cudagraph_trees.get_container(0)
    found = [run_on_device(name, record) for name in ('cuda:0', 'cuda:1')]
    assert all(first is again for first, again in found)
    assert found[0][0] is not found[1][0]


@pytest.mark.parametrize(
    ('wanted', 'cores', 'usual', 'expected'),
    [(0, 2, 8, [2]), (0, 8, 8, []), (0, 8, 1, []), (3, 2, 8, [3]), (3, 8, 1, [3])],
)
def test_threads_are_those_of_the_quota(
    wanted: int,
    cores: int,
    usual: int,
    expected: list[int],
    tiny_model: Callable[..., ModelSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PyTorch would take a thread for each core of the machine; fewer, and named ones, are left."""
    found: list[int] = []
    monkeypatch.setattr(torch_native, 'available_cores', lambda: cores)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: usual)
    monkeypatch.setattr(torch, 'set_num_threads', found.append)
    remover = BackgroundRemover(tiny_model('u2netp'), 'torch', 'cpu', num_threads=wanted)
    with pytest.raises(ValueError, match='must hold 119 convolutions'):
        torch_native._load(remover.backend, CPU, torch)
    assert found == expected


def test_errors_of_loading_are_the_callers(
    tiny_model: Callable[..., ModelSpec], picture: Callable[..., np.ndarray]
) -> None:
    """What is wrong with the options is raised where the remover was called, each time."""
    remover = BackgroundRemover(tiny_model('u2netp'), 'torch', 'cpu', 'fp16')
    for _ in range(2):
        with pytest.raises(DeviceError, match="precision='fp16' needs a GPU"):
            remover([picture()])


@pytest.mark.parametrize(
    ('name', 'gpus', 'expected'),
    [
        ('cpu', 2, 'cpu'),
        ('auto', 0, 'cpu'),
        ('auto', 2, 'cuda:0'),
        ('cuda', 1, 'cuda:0'),
        ('cuda:1', 2, 'cuda:1'),
        ('cuda:0', 0, "device='cuda:0' was asked for, but PyTorch finds no NVIDIA GPU"),
        (
            'cuda:2',
            2,
            "device='cuda:2' was .*, but the last GPU that PyTorch finds is cuda:1",
        ),
    ],
)
def test_names_of_devices(name: str, gpus: int, expected: str) -> None:
    """A GPU has one name, by which its thread is found; one that is not there is an error."""
    cuda = SimpleNamespace(is_available=lambda: gpus > 0, device_count=lambda: gpus)
    stand_in = SimpleNamespace(cuda=cuda, device=torch.device)
    if expected.startswith('device'):
        with pytest.raises(DeviceError, match=expected):
            torch_native._device(name, stand_in)
    else:
        assert str(torch_native._device(name, stand_in)) == expected
