"""BackgroundRemover: rembg's masks, in true batches, in any process."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx.parser
import onnxruntime as ort
import pytest
import torch
from PIL import Image

from bgremoval_mm.removal import CATALOGUE, BackgroundRemover, DeviceError, WeightsError, backends
from bgremoval_mm.removal.backends import sessions


@pytest.mark.real
@pytest.mark.parametrize('batch_size', [1, 4])
def test_masks_equal_rembgs_on_real_photos(
    real_model: str, batch_size: int, photos: list[Path], capsys: pytest.CaptureFixture
) -> None:
    """Every pixel is within one level of 255 of rembg.remove(..., only_mask=True)."""
    rembg = pytest.importorskip('rembg')
    from bgremoval_mm.removal import find_weights

    # rembg is given the same verified file, through its own environment variable.
    weights = find_weights(real_model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('U2NET_HOME', str(weights.parent))
        session = rembg.new_session(real_model, providers=['CPUExecutionProvider'])
    pictures = [Image.open(path).convert('RGB') for path in photos[::2]]
    theirs = [np.asarray(rembg.remove(p, session=session, only_mask=True)) for p in pictures]
    remover = BackgroundRemover(real_model, 'onnxruntime', 'cpu', batch_size=batch_size)
    ours = remover([np.asarray(p) for p in pictures])
    gaps = [np.abs(a.astype(int) - b) for a, b in zip(ours, theirs, strict=True)]
    with capsys.disabled():
        print(
            f'\nparity with rembg: {real_model}, batch {batch_size}, {len(gaps)} photos: largest '
            f'difference {max(g.max() for g in gaps)} of 255, '
            f'{sum((g > 0).sum() for g in gaps)} of {sum(g.size for g in gaps):,} pixels differ'
        )
    assert max(g.max() for g in gaps) <= 1


@pytest.mark.real
def test_real_mask_finds_the_garment(u2netp: str, photos: list[Path]) -> None:
    """A street photo's foreground is neither nothing nor everything, and in the middle."""
    image = np.asarray(Image.open(photos[0]).convert('RGB'))
    (mask,) = BackgroundRemover(u2netp, device='cpu')([image])
    assert mask.shape == image.shape[:2]
    assert 0.05 < (mask > 127).mean() < 0.8
    assert (mask[0, 0], mask[0, -1]) == (0, 0)


def expected_saliency(image: np.ndarray, spec) -> np.ndarray:
    """Channel sum of rembg's normalised input, in float64, straight from its formula."""
    small = Image.fromarray(image).resize((spec.size, spec.size), Image.Resampling.LANCZOS)
    pixels = np.array(small) / max(np.max(np.array(small)), 1e-6)
    return ((pixels - np.array(spec.mean)) / np.array(spec.std)).sum(axis=2)


@pytest.mark.parametrize('name', CATALOGUE)
@pytest.mark.parametrize('batch_size', [1, 3])
def test_every_model_runs_as_rembg_treats_it(
    name: str, batch_size: int, tiny_model, picture
) -> None:
    """Loading, normalisation and activation of each entry, on a graph whose answer is known."""
    channels = 4 if CATALOGUE[name].activation == 'argmax' else 1
    spec = tiny_model(name, size=8, channels=channels)
    remover = BackgroundRemover(
        name, device='cpu', batch_size=batch_size, accept_licence=name == 'bria-rmbg'
    )
    images = [picture(24, 16), picture(9, 30, 1), picture(1, 1, 2), picture(50, 8, 3)]
    images[2][:] = 200
    for image, (mask, constant) in zip(images, remover.low_resolution(images), strict=True):
        saliency = expected_saliency(image, spec)
        if spec.activation == 'argmax':
            # Channel c is (c + 1) times the sum: class 3 wins where it is positive, else 0.
            np.testing.assert_array_equal(mask, np.where(saliency > 0, 255, 0))
            continue
        if spec.activation == 'sigmoid-minmax':
            saliency = 1 / (1 + np.exp(-saliency))
        assert constant == (image.shape == (1, 1, 3))
        if constant:
            assert not mask.any()
            continue
        span = saliency.max() - saliency.min()
        expected = (saliency - saliency.min()) / span * 255
        assert np.abs(mask - (expected - 0.5)).max() <= 0.51  # truncated, not rounded
    assert [m.shape for m in remover(images)] == [i.shape[:2] for i in images]


def test_batches_are_true_batches(tiny_model, picture, monkeypatch) -> None:
    """Five images at batch size 2 are three runs of the network, with one output each."""
    tiny_model('u2netp')
    remover = BackgroundRemover('u2netp', 'onnxruntime', 'cpu', batch_size=2)
    remover([picture()])
    shapes = []
    run = backends.OnnxRuntimeBackend.run
    monkeypatch.setattr(
        backends.OnnxRuntimeBackend, 'run', lambda s, b: shapes.append(b.shape) or run(s, b)
    )
    remover([picture(seed=i) for i in range(5)])
    assert shapes == [(2, 3, 8, 8), (2, 3, 8, 8), (1, 3, 8, 8)]
    session = sessions.run_session(
        'onnxruntime', remover.backend, lambda: pytest.fail('a second session'), lambda made: made
    )
    assert [o.name for o in session.get_outputs()] == ['d0']
    assert session.get_inputs()[0].shape[0] == 'batch'


def test_memory_that_is_short_halves_the_batch(tiny_model, picture, monkeypatch, caplog) -> None:
    """A batch that the device cannot hold is run in halves, with the same masks."""
    tiny_model('u2netp')
    images = [picture(seed=i) for i in range(5)]
    expected = BackgroundRemover('u2netp', 'onnxruntime', 'cpu', batch_size=8)(images)
    run = backends.OnnxRuntimeBackend.run
    sizes = []

    def short(self, batch):
        sizes.append(len(batch))
        if len(batch) > 2:
            message = 'CUDA error: Failed to allocate memory for requested buffer of size 9'
            raise RuntimeError(message)
        return run(self, batch)

    monkeypatch.setattr(backends.OnnxRuntimeBackend, 'run', short)
    remover = BackgroundRemover('u2netp', 'onnxruntime', 'cpu', batch_size=8)
    found = remover(images)
    assert sizes == [5, 2, 3, 1, 2]
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    assert 'a batch of 5 does not fit into memory' in caplog.text

    monkeypatch.setattr(
        backends.OnnxRuntimeBackend,
        'run',
        lambda *_: (_ for _ in ()).throw(RuntimeError('out of memory')),
    )
    with pytest.raises(RuntimeError, match='out of memory'):
        remover(images[:1])  # one image that does not fit is an error


HUGE = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, 8, 1] x) => (float[N, M, K, L] y)
<int64[4] shape = {1, 1, 1, 70368744177664}>
{ z = Expand(x, shape) y = Relu(z) }
"""


def test_real_errors_of_memory_halve_the_batch(monkeypatch, caplog) -> None:
    """What ONNX Runtime and PyTorch raise where memory is short is recognised, by every class."""

    def in_onnx_runtime(size: int) -> None:
        model = onnx.parser.parse_model(HUGE).SerializeToString()
        options = ort.SessionOptions()
        options.log_severity_level = 4
        session = ort.InferenceSession(model, options, providers=['CPUExecutionProvider'])
        session.run(None, {'x': np.zeros((size, 3, 8, 1), np.float32)})

    for fail in (in_onnx_runtime, lambda size: torch.empty(size, 1 << 45)):
        sizes: list[int] = []

        def run(self, batch, sizes=sizes, fail=fail):
            sizes.append(len(batch))
            if len(batch) > 1:
                fail(len(batch))
            return np.zeros((len(batch), 1, 4, 4), np.float32)

        caplog.clear()
        monkeypatch.setattr(backends.OnnxRuntimeBackend, 'run', run)
        remover = BackgroundRemover('u2netp', 'onnxruntime', 'cpu', batch_size=4)
        assert len(remover.infer(np.zeros((4, 3, 8, 8), np.float32))) == 4
        assert sizes == [4, 2, 1, 1, 2, 1, 1]
        assert 'a batch of 4 does not fit into memory' in caplog.text


def test_one_session_a_process(tiny_model, picture) -> None:
    """Removers of the same settings share a session; none is made before the first image."""
    tiny_model('u2netp')
    first, second = (BackgroundRemover('u2netp', device='cpu') for _ in range(2))
    assert not sessions._sessions
    first([picture()])
    second([picture()])
    assert len(sessions._sessions) == 1


def test_black_image_has_an_empty_mask(tiny_model) -> None:
    """All zeros divide by rembg's 1e-6, and the constant map that follows has no foreground."""
    tiny_model('u2netp')
    black = np.zeros((5, 6, 3), np.uint8)
    remover = BackgroundRemover('u2netp', device='cpu')
    assert remover.low_resolution([black])[0][1] is True
    assert not remover([black])[0].any()


def test_input_is_not_changed(tiny_model, picture) -> None:
    """The caller's arrays stay as they are; read-only ones and views are taken."""
    tiny_model('u2netp')
    image = picture()
    image.setflags(write=False)
    remover = BackgroundRemover('u2netp', device='cpu')
    np.testing.assert_array_equal(remover([image[:, ::-1]])[0], remover([image[:, ::-1].copy()])[0])


def mask_in_child(remover: BackgroundRemover, image: np.ndarray, method: str) -> np.ndarray:
    """The remover's mask, computed in a process started by that method."""
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(remover, [image]).result(timeout=120)[0]


@pytest.mark.parametrize('method', ['fork', 'spawn', 'forkserver'])
def test_remover_works_in_child_processes(method: str, tiny_model, picture) -> None:
    """A remover that was used before goes into a forked or spawned child and works there."""
    spec = tiny_model('u2netp')
    remover = BackgroundRemover(spec, device='cpu')
    expected = remover([picture()])[0]
    # A forked child runs ONNX Runtime in place of OpenVINO.
    gap = np.abs(mask_in_child(remover, picture(), method).astype(int) - expected)
    assert gap.max() <= 1


@pytest.mark.real
def test_real_session_survives_fork(u2netp: str, photos: list[Path]) -> None:
    """The multi-threaded session of real weights does not hang a forked child."""
    remover = BackgroundRemover(u2netp, device='cpu')
    image = np.asarray(Image.open(photos[0]).convert('RGB'))
    expected = remover([image])[0]
    gap = np.abs(mask_in_child(remover, image, 'fork').astype(int) - expected)
    assert gap.max() <= 1


def test_remover_pickles_without_its_session(tiny_model, picture) -> None:
    """A used remover is a few hundred bytes when pickled, and works again."""
    tiny_model('u2netp')
    remover = BackgroundRemover('u2netp', device='cpu')
    expected = remover([picture()])[0]
    frozen = pickle.dumps(remover)
    assert len(frozen) < 2000
    np.testing.assert_array_equal(pickle.loads(frozen)([picture()])[0], expected)


def test_missing_gpu_is_an_error_that_names_the_providers(tiny_model, picture) -> None:
    """No silent fall back to the CPU."""
    onnxruntime = pytest.importorskip('onnxruntime')
    if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('this ONNX Runtime was built for CUDA')
    tiny_model('u2netp')
    with pytest.raises(DeviceError, match=r"device='cuda'.*CPUExecutionProvider.*onnxruntime-gpu"):
        BackgroundRemover('u2netp', 'onnxruntime', 'cuda')([picture()])


def test_provider_that_does_not_load_is_an_error(tiny_model, picture, monkeypatch) -> None:
    """ONNX Runtime lists CUDA but runs on the CPU where CUDA's libraries are missing."""
    onnxruntime = pytest.importorskip('onnxruntime')
    tiny_model('u2netp')
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        'get_available_providers',
        lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'],
    )
    monkeypatch.setattr(onnxruntime, 'preload_dlls', lambda: None)
    monkeypatch.setattr(
        onnxruntime,
        'InferenceSession',
        lambda graph, options, providers: real(graph, options, ['CPUExecutionProvider']),
    )
    with pytest.raises(DeviceError, match='could not load CUDAExecutionProvider'):
        BackgroundRemover('u2netp', 'onnxruntime', 'cuda:1')([picture()])


def test_auto_device_says_what_it_chose(tiny_model, picture, caplog) -> None:
    """device='auto' logs the provider."""
    tiny_model('u2netp')
    with caplog.at_level(logging.INFO, logger='bgremoval_mm'):
        BackgroundRemover('u2netp', 'onnxruntime')([picture()])
    assert "device='auto': u2netp runs on CPUExecutionProvider" in caplog.text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'model': 'u3'}, '`model` must be one of u2net'),
        (
            {'backend': 'tensorflow'},
            '`backend` must be one of auto, onnxruntime, tensorrt, openvino, .*, but got .tensor',
        ),
        (
            {'precision': 'fp8'},
            "`precision` must be one of fp32, bf16, fp16, int8, auto, but got 'fp8'",
        ),
        ({'batch_size': 0}, '`batch_size` must be a positive int, but got 0'),
    ],
)
def test_wrong_arguments_are_named(arguments: dict, message: str) -> None:
    """Each error names the argument, what is allowed and what came."""
    with pytest.raises(ValueError, match=message):
        BackgroundRemover(**arguments)


@pytest.mark.parametrize('device', ['gpu', 'cuda:x', 'cpu:1'])
def test_wrong_device_is_named(device: str, tiny_model, picture) -> None:
    """Only cpu, cuda, cuda:N and auto are devices."""
    tiny_model('u2netp')
    with pytest.raises(ValueError, match=f"`device` must be 'auto'.*but got '{device}'"):
        BackgroundRemover('u2netp', device=device)([picture()])


@pytest.mark.parametrize(
    'image',
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), 'a.jpg'],
    ids=['grey', 'rgba', 'float64', 'path'],
)
def test_wrong_images_are_described(image) -> None:
    """Shape and dtype that came stand in the error."""
    with pytest.raises(TypeError, match=r'uint8 array of shape \(H, W, 3\), RGB, but got'):
        BackgroundRemover('u2netp')([image])


def test_single_array_is_refused() -> None:
    """A batch array or one image is no list of images."""
    with pytest.raises(TypeError, match=r'`images` must be a list.*\(4, 4, 3\)'):
        BackgroundRemover('u2netp')(np.zeros((4, 4, 3), np.uint8))


def test_damaged_weights_are_found_at_load(tiny_model, picture) -> None:
    """A file that was swapped after it was fetched is refused when it is loaded."""
    from bgremoval_mm.removal import find_weights

    spec = tiny_model('u2netp')
    find_weights(spec).write_bytes(b'swapped')
    with pytest.raises(WeightsError, match='is not the u2netp model: expected sha256'):
        BackgroundRemover('u2netp', device='cpu')([picture()])


def test_graph_of_another_interface_is_refused(tiny_model, picture) -> None:
    """A graph whose input has another size is named, not run."""
    spec = tiny_model('u2netp', size=8)
    with pytest.raises(WeightsError, match=r'must take \(N, 3, 16, 16\).*\[1, 3, 8, 8\]'):
        BackgroundRemover(replace(spec, size=16), device='cpu')([picture()])


def test_missing_onnxruntime_gives_the_install_line(tmp_path: Path, repository: Path) -> None:
    """Without ONNX Runtime the package imports, and the error at use says what to install."""
    (tmp_path / 'onnxruntime.py').write_text('raise ImportError("blocked")')
    code = (
        'import numpy as np; from bgremoval_mm.removal import BackgroundRemover; '
        'BackgroundRemover("u2netp", "onnxruntime")([np.zeros((4, 4, 3), np.uint8)])'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        env={'PYTHONPATH': f'{tmp_path}:{repository}', 'PATH': '/usr/bin:/bin'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'pip install "bgremoval_mm[cpu]"' in done.stderr


def test_engine_works_without_openmmlab(repository: Path) -> None:
    """A catalogue team needs neither torch nor mmengine; what does need them says so."""
    code = (
        'import sys\n'
        'for name in ("mmengine", "mmcv", "torch"): sys.modules[name] = None\n'
        'from bgremoval_mm.removal import BackgroundRemover, ModelSpec, remove_tree\n'
        'import bgremoval_mm\n'
        'try: bgremoval_mm.RembgDataset\n'
        'except ImportError as err: print(err)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False, cwd=repository
    )
    assert done.returncode == 0, done.stderr
    assert 'RembgDataset needs OpenMMLab: pip install "bgremoval_mm[cls]"' in done.stdout


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino', 'torch'])
def test_two_runs_at_once_give_the_same_masks(
    backend: str, u2netp: str, photos: list[Path]
) -> None:
    """A job's remover, called from several threads, gives the masks of one called alone."""
    pytest.importorskip('torch' if backend == 'torch' else backend)
    from concurrent.futures import ThreadPoolExecutor

    from bgremoval_mm.removal import read_image

    images = [read_image(path).rgb for path in photos[:6]]
    alone = BackgroundRemover(u2netp, backend, 'cpu')
    job = alone.for_throughput(2)
    assert job.backend.streams == (1 if backend == 'torch' else 2)
    assert job.for_throughput(1).backend.streams == 1
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda image: job.low_resolution([image])[0][0], images))
    for mask, (expected, _) in zip(found, alone.low_resolution(images), strict=True):
        assert np.abs(mask.astype(int) - expected).max() <= 1
