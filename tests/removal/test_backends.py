"""Runtimes and precisions: the same masks, and clear words where something is not there."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bgremoval_mm.datasets import RemoveBackground
from bgremoval_mm.removal import (
    CATALOGUE,
    BackgroundRemover,
    DeviceError,
    ModelSpec,
    find_weights,
    read_image,
    remove_tree,
)
from bgremoval_mm.removal.backends import (
    Backend,
    CompiledTorchBackend,
    OnnxRuntimeBackend,
    OpenVinoBackend,
    TensorRtBackend,
    TorchBackend,
    int8,
    make_backend,
    open_vino,
    torch_native,
)
from bgremoval_mm.removal.backends.buckets import bucket_of, pad
from bgremoval_mm.removal.backends.onnx_graph import make_batchable, to_half
from bgremoval_mm.removal.backends.onnx_runtime import choose_providers
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.networks.preprocessing import preprocess
from bgremoval_mm.removal.options import EngineOptions, choice
from bgremoval_mm.utils import cpu

needs_openvino = pytest.mark.skipif(
    find_spec('openvino') is None, reason='needs OpenVINO: pip install "bgremoval_mm[openvino]"'
)
needs_nncf = pytest.mark.skipif(
    find_spec('nncf') is None, reason='needs NNCF: pip install "bgremoval_mm[openvino]"'
)


@pytest.mark.real
@pytest.mark.parametrize('backend', [pytest.param('openvino', marks=needs_openvino), 'torch'])
def test_masks_of_every_backend_are_rembgs(backend: str, u2netp: str, photos: list[Path]) -> None:
    """In fp32, within one level of ONNX Runtime's on real photos."""
    images = [read_image(path).rgb for path in photos[::4]]
    expected = BackgroundRemover(u2netp, 'onnxruntime', 'cpu')(images)
    found = BackgroundRemover(u2netp, backend, 'cpu', batch_size=2)(images)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 1


# What `auto` takes on a GPU depends on which builds are installed.
ON_GPUS = (
    TorchBackend
    if torch.version.cuda and not choice.is_installed('onnxruntime-gpu')
    else OnnxRuntimeBackend
)


def made(**options: Any) -> Backend:
    """The backend of these options."""
    return make_backend(EngineOptions(**options))


@pytest.mark.parametrize(
    ('arguments', 'kind', 'precision'),
    [
        ({'device': 'cuda:0'}, ON_GPUS, 'fp32'),
        pytest.param({'device': 'cpu'}, OpenVinoBackend, 'fp32', marks=needs_openvino),
        ({'backend': 'torch'}, TorchBackend, 'fp32'),
        ({'backend': 'torch-compiled', 'precision': 'bf16'}, CompiledTorchBackend, 'bf16'),
        ({'backend': 'tensorrt', 'precision': 'fp16'}, TensorRtBackend, 'fp16'),
        ({'backend': 'onnxruntime', 'precision': 'fp16'}, OnnxRuntimeBackend, 'fp16'),
        ({'precision': 'int8'}, OpenVinoBackend, 'int8'),
        ({'precision': 'fp16', 'device': 'cuda'}, TorchBackend, 'fp16'),
        ({'precision': 'bf16', 'device': 'cuda:1'}, TorchBackend, 'bf16'),
        ({'precision': 'auto', 'device': 'cuda'}, ON_GPUS, 'fp32'),
    ],
)
def test_choice(arguments: dict, kind: type, precision: str) -> None:
    """What is chosen where something is left open; nothing is loaded for it."""
    backend = made(**arguments)
    assert type(backend) is kind
    assert backend.options.precision == precision


@pytest.mark.parametrize(
    ('installed', 'chosen'),
    [
        ({'openvino'}, 'openvino, the fastest in fp32 on a CPU'),
        (set(), 'onnxruntime, because OpenVINO, which is faster on CPUs, is not installed'),
        ({'onnxruntime-gpu', 'openvino'}, 'onnxruntime, which runs on GPUs'),
    ],
)
def test_automatic_backend(
    installed: set[str],
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The fastest that is installed, and a line in the log, once, that says which and why."""
    choice.log_once.cache_clear()
    monkeypatch.setattr(choice, 'find_spec', lambda name: name in installed or None)
    monkeypatch.setattr(choice, 'is_installed', lambda name: name in installed)
    with caplog.at_level('INFO', logger='bgremoval_mm'):
        found = [made() for _ in range(2)]
    assert found[0] == found[1]
    assert caplog.text.count(f"backend='auto': {chosen}") == 1


@pytest.mark.parametrize(
    ('device', 'model', 'installed', 'driver', 'chosen'),
    [
        ('cuda', 'u2net', {'torch'}, False, 'torch, which runs on GPUs; onnxruntime-gpu is not'),
        ('cuda', 'u2net', {'torch', 'onnxruntime-gpu'}, True, 'onnxruntime, which runs on GPUs'),
        ('cuda', 'silueta', {'torch'}, True, 'onnxruntime, which runs on GPUs'),
        ('auto', 'u2net', {'torch', 'openvino'}, True, 'torch, which runs on GPUs'),
        ('auto', 'u2net', {'torch', 'openvino'}, False, 'openvino, the fastest in fp32 on a CPU'),
        ('auto', 'silueta', {'torch', 'openvino'}, True, 'openvino, the fastest in fp32 on a CPU'),
        ('cpu', 'u2net', {'torch', 'openvino'}, True, 'openvino, the fastest in fp32 on a CPU'),
    ],
)
def test_automatic_backend_with_torch_for_gpus(
    device: str,
    model: str,
    installed: set[str],
    driver: bool,
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """torch in its build for GPUs counts as a runtime for GPUs, where it has the model."""
    choice.log_once.cache_clear()
    monkeypatch.setattr(choice, 'find_spec', lambda name: name in installed or None)
    monkeypatch.setattr(choice, 'is_installed', lambda name: name in installed)
    monkeypatch.setattr(choice, 'torch_has_cuda', lambda: 'torch' in installed)
    monkeypatch.setattr(choice, '_DRIVERS', (str(tmp_path),) if driver else ('/nowhere',))
    with caplog.at_level('INFO', logger='bgremoval_mm'):
        EngineOptions(model, device=device)
    assert f"backend='auto': {chosen}" in caplog.text


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        ("__version__ = '2'\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", True),
        ("cuda = '12.8'\n", True),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.4'\n", False),
        (None, False),
    ],
)
def test_build_of_torch(
    content: str | None, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether torch was built for NVIDIA's GPUs stands in its version.py."""
    if content is not None:
        (tmp_path / 'version.py').write_text(content)
    found = SimpleNamespace(origin=str(tmp_path / '__init__.py'))
    monkeypatch.setattr(choice, 'find_spec', lambda _: found)
    assert choice.torch_has_cuda() == expected
    monkeypatch.setattr(choice, 'find_spec', lambda _: None)
    assert not choice.torch_has_cuda()


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """PyTorch's flags of the precision of convolutions, which are put back."""
    backends = torch.backends
    found = {'all': backends, 'cudnn': backends.cudnn.conv, 'mkldnn': backends.mkldnn.conv}
    former = {name: each.fp32_precision for name, each in found.items()}
    yield SimpleNamespace(**found)
    backends.cudnn.allow_tf32 = True
    for name, each in found.items():
        each.fp32_precision = former[name]


def convolves_in(precision: str) -> tuple[torch_native._Session, list[tuple[str, str]]]:
    """A session without a network, and what convolutions would have been computed in."""
    backend, seen = made(backend='torch', device='cpu', precision=precision), []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        names = ('cuda', 'mkldnn')
        seen.append(tuple(torch._C._get_fp32_precision_getter(each, 'conv') for each in names))
        return inputs[:, :1]

    return torch_native._Session(network, backend, torch.device('cpu'), torch), seen


@pytest.mark.parametrize('set_by', ['default', 'all', 'conv', 'exact', 'former way'])
def test_torch_computes_in_float32_as_such(set_by: str, flags: SimpleNamespace) -> None:
    """TF32 is off while a network runs in fp32, and as it was afterwards, however it was set."""
    if set_by == 'all':
        flags.all.fp32_precision = 'tf32'
    elif set_by == 'conv':
        flags.cudnn.fp32_precision, flags.mkldnn.fp32_precision = 'tf32', 'bf16'
    elif set_by == 'exact':
        flags.cudnn.fp32_precision = 'ieee'
    elif set_by == 'former way':
        torch.backends.cudnn.allow_tf32 = False
    before = flags.cudnn.fp32_precision, flags.mkldnn.fp32_precision
    photo = np.zeros((1, 8, 8, 3), np.uint8)
    for precision, expected in (('fp32', ('ieee', 'ieee')), ('bf16', before)):
        session, seen = convolves_in(precision)
        session.start(photo)
        assert seen == [expected]
        assert (flags.cudnn.fp32_precision, flags.mkldnn.fp32_precision) == before
    if set_by in ('default', 'former way'):
        assert torch.backends.cudnn.allow_tf32 == (set_by == 'default')
    if set_by == 'all':
        flags.all.fp32_precision = 'ieee'
        assert flags.mkldnn.fp32_precision == 'ieee'  # it still follows what holds for all


def test_two_devices_compute_in_float32_as_such(flags: SimpleNamespace) -> None:
    """The flags are the process's: who is done first does not take them from the other one."""
    first, second = torch_native._exact(torch), torch_native._exact(torch)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert flags.cudnn.fp32_precision == 'ieee'
    if not (pid := os.fork()):
        is_as_before = flags.cudnn.fp32_precision == 'tf32' and not torch_native._exact._inside
        os._exit(not is_as_before)
    assert os.waitpid(pid, 0)[1] == 0
    second.__exit__(None, None, None)
    assert flags.cudnn.fp32_precision == 'tf32'


def test_build_of_torch_that_is_installed() -> None:
    """What is read without importing torch is what torch says."""
    assert choice.torch_has_cuda() == (torch.version.cuda is not None)


@pytest.mark.parametrize(
    ('arguments', 'has_bf16', 'installed', 'expected'),
    [
        ({'device': 'cpu'}, True, {'openvino'}, 'bf16, which this CPU computes in and OpenVINO'),
        ({}, True, {'openvino'}, 'bf16, which this CPU computes in and OpenVINO'),
        ({'device': 'cpu'}, False, {'openvino'}, 'fp32, this CPU has no instructions for bf16'),
        ({'device': 'cpu'}, True, set(), 'fp32, bf16 needs OpenVINO, which is not installed'),
        ({'device': 'cuda'}, True, {'openvino'}, 'fp32, on a GPU take fp16 or bf16 by name'),
        ({}, True, {'openvino', 'onnxruntime-gpu'}, 'fp32, on a GPU take fp16 or bf16 by name'),
        ({'backend': 'torch'}, True, {'openvino'}, "fp32, backend='torch' takes another one only"),
    ],
)
def test_automatic_precision(
    arguments: dict,
    has_bf16: bool,
    installed: set[str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """bf16 where the CPU computes in it, and a line in the log with the true reason."""
    monkeypatch.setattr(choice, 'computes_in_bf16', lambda: has_bf16)
    monkeypatch.setattr(choice, 'find_spec', lambda name: name in installed or None)
    monkeypatch.setattr(choice, 'is_installed', lambda name: name in installed)
    choice.log_once.cache_clear()
    with caplog.at_level('INFO', logger='bgremoval_mm'):
        backend = made(precision='auto', **arguments)
    assert backend.options.precision == expected[:4]
    assert f"precision='auto': {expected}" in caplog.text


@pytest.mark.parametrize(
    ('model', 'expected'),
    [('u2net', 'fp32, on a GPU take fp16'), ('silueta', 'bf16, which this CPU computes in')],
)
def test_automatic_precision_beside_a_gpu(
    model: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """A GPU that only PyTorch can use decides for PyTorch's models alone; so does the hint."""
    monkeypatch.setattr(choice, 'computes_in_bf16', lambda: True)
    monkeypatch.setattr(choice, 'find_spec', lambda name: True)
    monkeypatch.setattr(choice, 'is_installed', lambda name: False)
    monkeypatch.setattr(choice, 'torch_has_cuda', lambda: True)
    monkeypatch.setattr(choice, '_DRIVERS', (str(tmp_path),))
    choice.log_once.cache_clear()
    with caplog.at_level('INFO', logger='bgremoval_mm'):
        found = EngineOptions(model, precision='auto').resolved
    assert f"precision='auto': {expected}" in caplog.text
    on_cpu = model == 'silueta'
    assert (found.backend, found.precision) == (
        ('openvino', 'bf16') if on_cpu else ('torch', 'fp32')
    )
    hint = choice.faster_precision_hint(CATALOGUE[model], 'fp32', 'auto', 'auto')
    assert (hint is not None) == on_cpu


@needs_openvino
def test_cpu_flags_agree_with_openvino() -> None:
    """What the CPU's flags say of bf16 is what OpenVINO offers here."""
    assert cpu.computes_in_bf16() == ('BF16' in open_vino.capabilities())


@pytest.mark.parametrize(
    ('arguments', 'chosen'),
    [
        ({'precision': 'fp16', 'device': 'cuda'}, OnnxRuntimeBackend),
        ({'precision': 'bf16', 'device': 'cpu'}, OpenVinoBackend),
    ],
)
def test_models_that_torch_lacks(
    arguments: dict, chosen: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` takes a runtime that has the model, not the fastest one of another model."""
    monkeypatch.setattr(choice, 'find_spec', lambda name: True)
    for name in ('isnet-general-use', 'birefnet-general'):
        assert type(made(model=name, **arguments)) is chosen


@pytest.mark.parametrize(
    ('device', 'message'),
    [
        ('cuda', r"on a GPU is there for u2net, u2netp, but got model='silueta'; take 'fp16'"),
        ('cpu', r'without OpenVINO is there for u2net, u2netp, but .* install OpenVINO: pip'),
    ],
)
def test_bf16_that_no_runtime_has(
    device: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the models that have it, and the way out."""
    monkeypatch.setattr(choice, 'find_spec', lambda name: None)
    with pytest.raises(ArgumentError, match=message):
        BackgroundRemover('silueta', device=device, precision='bf16')


@pytest.mark.parametrize(
    ('arguments', 'uses'),
    [
        ({'backend': 'openvino'}, False),
        ({'backend': 'onnxruntime', 'device': 'cpu'}, False),
        ({'backend': 'onnxruntime', 'device': 'cuda:1'}, True),
        ({'backend': 'tensorrt'}, True),
        ({'backend': 'torch'}, True),
        ({'backend': 'torch', 'device': 'cpu'}, False),
    ],
)
def test_which_backends_use_a_gpu(arguments: dict, uses: bool) -> None:
    """A cluster's GPUs are reserved only for backends that run on them."""
    assert made(**arguments).uses_gpu is uses


@pytest.mark.parametrize(
    ('arguments', 'has_bf16', 'hint'),
    [
        ({}, True, '--precision auto is about twice as fast'),
        ({'precision': 'auto'}, True, None),
        ({'backend': 'onnxruntime'}, True, None),
        ({'device': 'cuda'}, True, None),
        ({}, False, None),
    ],
)
def test_faster_precision_is_pointed_out(
    arguments: dict, has_bf16: bool, hint: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with factor and price, only where it helps."""
    monkeypatch.setattr(choice, 'computes_in_bf16', lambda: has_bf16)
    monkeypatch.setattr(choice, 'has_amx', lambda: False)
    monkeypatch.setattr(choice, 'find_spec', lambda name: True)
    options = {'precision': 'fp32', 'backend': 'auto', 'device': 'cpu'}
    found = choice.faster_precision_hint(CATALOGUE['u2net'], **{**options, **arguments})
    assert found is None if hint is None else hint in found
    assert found is None or '0.3 of 255 levels' in found


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'backend': 'onnxruntime', 'precision': 'int8'}, "fp32, fp16 for backend='onnxruntime'"),
        ({'backend': 'torch', 'precision': 'int8'}, 'fp32, bf16, fp16 for'),
        ({'backend': 'torch', 'model': 'isnet-general-use'}, "backend='torch' has u2net, u2netp"),
    ],
)
def test_what_does_not_go_together(arguments: dict, message: str) -> None:
    """Is refused before anything is loaded."""
    with pytest.raises(ValueError, match=message):
        BackgroundRemover(**arguments)


def test_half_precision_needs_a_gpu(
    tiny_model: Callable[..., ModelSpec], picture: Callable[..., np.ndarray]
) -> None:
    """fp16 on a CPU is an error that says what to take."""
    tiny_model('u2netp')
    with pytest.raises(DeviceError, match="needs a GPU; on a CPU take 'fp32' or 'bf16'"):
        BackgroundRemover('u2netp', 'torch', 'cpu', 'fp16')([picture()])
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match='PyTorch finds no NVIDIA GPU'):
            BackgroundRemover('u2netp', 'torch', 'cuda')([picture()])


@pytest.mark.parametrize('backend', ['torch', 'torch-compiled'])
def test_bf16_of_torch_on_a_cpu_without_it(
    backend: str,
    tiny_model: Callable[..., ModelSpec],
    picture: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be computed, three times as slowly as fp32; so the error says what is missing."""
    monkeypatch.setattr(torch_native, 'computes_in_bf16', lambda: False)
    with pytest.raises(DeviceError, match='needs a GPU, or a CPU with AVX-512 BF16 or AMX'):
        BackgroundRemover(tiny_model('u2netp'), backend, 'cpu', 'bf16')([picture()])


@needs_openvino
def test_bf16_on_a_cpu_without_it(
    tiny_model: Callable[..., ModelSpec],
    picture: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error names what the CPU offers."""
    tiny_model('u2netp')
    monkeypatch.setattr(open_vino, 'capabilities', lambda: {'FP32', 'INT8'})
    with pytest.raises(DeviceError, match='this one offers FP32, INT8'):
        BackgroundRemover('u2netp', 'openvino', 'cpu', 'bf16')([picture()])
    with pytest.raises(DeviceError, match='runs on the CPU, but device='):
        BackgroundRemover('u2netp', 'openvino', 'cuda')([picture()])


@needs_openvino
def test_openvino_runs_any_batch(
    tiny_model: Callable[..., ModelSpec], picture: Callable[..., np.ndarray]
) -> None:
    """A tiny graph: the same masks as ONNX Runtime's, one by one and together."""
    tiny_model('u2netp')
    images = [picture(seed=i) for i in range(3)]
    expected = BackgroundRemover('u2netp', 'onnxruntime', 'cpu')(images)
    for batch_size in (1, 3):
        found = BackgroundRemover('u2netp', 'openvino', 'cpu', batch_size=batch_size)(images)
        for ours, theirs in zip(found, expected, strict=True):
            assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_int8_needs_photos(
    tiny_model: Callable[..., ModelSpec], picture: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    """Without a folder, or with an empty one, the error says what is needed."""
    with pytest.raises(ValueError, match="precision='int8' needs `calibration`"):
        int8.calibration_photos(None)
    with pytest.raises(ValueError, match='there is none in'):
        int8.calibration_photos(str(tmp_path))


@needs_openvino
@needs_nncf
@pytest.mark.slow
def test_quantised_model_is_kept(
    tiny_model: Callable[..., ModelSpec],
    image_tree: Path,
    picture: Callable[..., np.ndarray],
    tmp_path: Path,
) -> None:
    """Made once for the same weights and photos, again for others; nothing half-written stays."""
    spec = tiny_model('u2netp')
    home = find_weights('u2netp').parent
    remover = BackgroundRemover('u2netp', 'openvino', 'cpu', 'int8', calibration=str(image_tree))
    (mask,) = remover([picture()])
    assert mask.shape == picture().shape[:2]
    (folder,) = home.glob('u2netp-int8-*')
    made = (folder / 'model.xml').stat().st_mtime_ns
    again = int8.quantised_model(None, spec, str(image_tree), b'not read again')
    assert again == folder / 'model.xml'
    assert (folder / 'model.xml').stat().st_mtime_ns == made
    assert not list(home.glob('.tmp-*'))

    # Masks of another precision are other masks.
    options = {'device': 'cpu', 'progress': False, 'calibration': str(image_tree)}
    first = remove_tree(image_tree, tmp_path / 'masks', spec, precision='int8', **options)
    assert first.done == 6
    lines = (tmp_path / 'masks/u2netp/manifest.jsonl').read_text().splitlines()
    assert json.loads(lines[0])['params']['precision'] == 'int8'
    image = str(image_tree / 'hat/0.jpg')
    store = {'mask_dir': str(tmp_path / 'masks'), 'img_root': str(image_tree)}
    settings_of = {'model': 'u2netp', 'on_missing': 'error', **store}
    results = {'img': read_image(Path(image)).rgb[..., ::-1].copy(), 'img_path': image}
    RemoveBackground(precision='int8', calibration=str(image_tree), **settings_of)(dict(results))
    with pytest.raises(FileNotFoundError, match='in another precision'):
        RemoveBackground(**settings_of)(dict(results))
    assert remove_tree(image_tree, tmp_path / 'masks', spec, **options).done == 6


@needs_openvino
@needs_nncf
@pytest.mark.slow
def test_quantised_model_that_is_of_no_use(
    tiny_model: Callable[..., ModelSpec],
    image_tree: Path,
    picture: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model whose masks are far from the original's is refused with the figure, and not kept."""
    tiny_model('u2netp')
    monkeypatch.setattr(int8, '_MOST', -1.0)
    remover = BackgroundRemover('u2netp', 'openvino', 'cpu', 'int8', calibration=str(image_tree))
    with pytest.raises(int8.QuantisationError, match=r'u2netp in int8 differ by \d+\.\d of 255'):
        remover([picture()])
    assert not list(find_weights('u2netp').parent.glob('u2netp-int8-*'))


@needs_openvino
@needs_nncf
@pytest.mark.slow
@pytest.mark.real
def test_small_network_in_int8(
    u2netp: str, photos: list[Path], tmp_path: Path, monkeypatch
) -> None:
    """U2-NetP's masks stay within two levels of fp32's on average; some layers stay in float32."""
    home = tmp_path / 'weights'
    home.mkdir()
    weights = find_weights(u2netp)
    (home / weights.name).symlink_to(weights)
    monkeypatch.setenv('U2NET_HOME', str(home))
    calibration = tmp_path / 'photos'
    calibration.mkdir()
    for path in photos:
        (calibration / path.name).symlink_to(path)
    options = {'device': 'cpu', 'precision': 'int8', 'calibration': str(calibration)}
    images = [read_image(path).rgb for path in photos[::3]]
    found = BackgroundRemover(u2netp, 'openvino', **options)(images)
    expected = BackgroundRemover(u2netp, 'openvino', 'cpu')(images)
    gaps = [np.abs(a.astype(int) - b).mean() for a, b in zip(found, expected, strict=True)]
    assert 0 < np.mean(gaps) < 2


@pytest.mark.parametrize(('count', 'bucket'), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (33, 64)])
def test_batches_are_padded_to_buckets(count: int, bucket: int) -> None:
    """Powers of two; what is filled in is the last image."""
    assert bucket_of(count) == bucket
    batch = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    padded = pad(batch)
    assert padded.shape == (bucket, 3)
    np.testing.assert_array_equal(padded[:count], batch)
    assert (padded[count:] == batch[-1]).all()


def test_fixed_batch(tiny_model: Callable[..., ModelSpec]) -> None:
    """A graph for one bucket has that size in it."""
    import onnx

    spec = tiny_model('u2netp')
    content = find_weights(spec).read_bytes()
    graph = onnx.load_model_from_string(make_batchable(content, spec, 4)).graph
    for tensor in (graph.input[0], graph.output[0]):
        assert tensor.type.tensor_type.shape.dim[0].dim_value == 4


CUDA, TENSORRT, CPU = (f'{name}ExecutionProvider' for name in ('CUDA', 'Tensorrt', 'CPU'))


def test_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device's index and, for TensorRT, precision and a cache of engines beside the weights."""
    monkeypatch.setenv('U2NET_HOME', str(tmp_path))
    offered = [TENSORRT, CUDA, CPU]
    cuda = made(backend='onnxruntime', device='cuda:1')
    second = (CUDA, {'device_id': 1, 'use_tf32': False})
    assert choose_providers(cuda, offered) == [second, CPU]
    assert choose_providers(made(backend='onnxruntime', device='cpu'), offered) == [CPU]
    assert choose_providers(made(backend='onnxruntime', device='auto'), [CPU]) == [CPU]
    first, *rest = choose_providers(
        made(backend='tensorrt', device='cuda:1', precision='fp16'), offered, 8
    )
    assert first[0] == TENSORRT
    assert first[1]['trt_fp16_enable'] is True
    assert first[1]['device_id'] == 1
    assert first[1]['trt_engine_cache_path'] == str(tmp_path / 'u2net-tensorrt')
    assert first[1]['trt_engine_cache_prefix'].endswith('-8')
    assert rest == [second, CPU]
    for backend in (cuda, made(backend='tensorrt')):
        with pytest.raises(DeviceError, match=r'offers only \[.CPUExecutionProvider.\], not'):
            choose_providers(backend, [CPU])
    for each in (offered, [CPU]):
        with pytest.raises(DeviceError, match='runs on NVIDIA GPUs, but device='):
            choose_providers(made(backend='tensorrt', device='cpu'), each)


def test_half_precision_graph(u2netp: str, photos: list[Path]) -> None:
    """The fp16 graph, run on the CPU for want of a GPU, gives the masks within a few levels."""
    onnxruntime = pytest.importorskip('onnxruntime')
    spec = CATALOGUE[u2netp]
    content = make_batchable(find_weights(u2netp).read_bytes(), spec)
    inputs = preprocess(read_image(photos[0]).rgb, spec)[None]
    found = []
    for graph in (content, to_half(content)):
        session = onnxruntime.InferenceSession(graph, providers=[CPU])
        assert session.get_inputs()[0].type == 'tensor(float)'
        found.append(session.run(None, {session.get_inputs()[0].name: inputs})[0])
    assert found[1].dtype == np.float32
    assert np.abs(found[0] - found[1]).mean() * 255 < 0.5


def test_half_precision_of_onnx_runtime_needs_a_gpu(
    tiny_model: Callable[..., ModelSpec], picture
) -> None:
    """On a CPU it would only be slower."""
    tiny_model('u2netp')
    remover = BackgroundRemover('u2netp', 'onnxruntime', 'cpu', 'fp16')
    with pytest.raises(DeviceError, match="precision='fp16' needs a GPU"):
        remover([picture()])


SIGNALLED = """
import faulthandler, os, pickle, signal, sys
import numpy as np
from bgremoval_mm.removal import BackgroundRemover, release_sessions

faulthandler.enable()  # gives the process an alternate signal stack
spec = pickle.loads(sys.stdin.buffer.read())
for streams in (1, 2):
    remover = BackgroundRemover(spec, 'openvino', 'cpu')
    remover = remover.for_throughput(2) if streams == 2 else remover
    remover([np.eye(9, dtype=np.uint8)[..., None].repeat(3, 2)])
del remover
release_sessions()
signal.signal(signal.SIGUSR1, lambda *_: print('handled'))
os.kill(os.getpid(), signal.SIGUSR1)
"""


@needs_openvino
def test_signals_after_networks_are_released(
    tiny_model: Callable[..., ModelSpec], repository: Path
) -> None:
    """Two networks come and go; the signal stack that Python's handlers run on is still there."""
    spec = tiny_model('u2netp')
    done = subprocess.run(
        [sys.executable, '-c', SIGNALLED],
        input=pickle.dumps(spec),
        env={**os.environ, 'PYTHONPATH': str(repository)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b'handled\n'), done.stderr.decode()


@needs_openvino
def test_forked_children_leave_openvino_alone(
    tiny_model: Callable[..., ModelSpec], picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a parent has loaded it, fp32 is ONNX Runtime's, and other precisions are an error."""
    spec = tiny_model('u2netp')
    remover = BackgroundRemover(spec, 'openvino', 'cpu')
    expected = remover([picture()])[0]
    monkeypatch.setattr(open_vino, '_cores', {os.getppid(): None})  # as after a fork
    monkeypatch.setattr(open_vino, 'run_session', lambda *_: pytest.fail('used OpenVINO'))
    gap = np.abs(remover([picture()])[0].astype(int) - expected)
    assert gap.max() <= 1
    int8 = BackgroundRemover(spec, 'openvino', 'cpu', 'int8', calibration='.')
    with pytest.raises(DeviceError, match=r"before this process was forked.*'spawn'"):
        int8([picture()])
