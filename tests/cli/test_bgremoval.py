"""The command `bgremoval`: one file, pipes, folders, models, review, bench."""

from __future__ import annotations

import io
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli.doctor import Check, run_doctor
from bgremoval_mm.cli.main import main
from bgremoval_mm.removal import (
    BackgroundRemover,
    MaskStore,
    cut_out,
    estimate_foreground,
    read_image,
)
from bgremoval_mm.removal.zoo.catalogue import get_model


@pytest.fixture
def options(tiny_model) -> list[str]:
    """What every removal here is called with."""
    tiny_model('u2netp')
    return ['--model', 'u2netp', '--device', 'cpu']


def expected(path: Path) -> np.ndarray:
    """The cut-out of a file, as the library makes it."""
    image = read_image(path).rgb
    (mask,) = BackgroundRemover('u2netp', device='cpu')([image])
    return cut_out(estimate_foreground(image, mask), mask)


@pytest.mark.parametrize('name', ['cut.png', 'new/cut.webp'])
def test_one_file(options, image_tree: Path, tmp_path: Path, name: str) -> None:
    """A file goes to the file that is named, in the format that its suffix says."""
    source, target = image_tree / 'dress/1.jpg', tmp_path / name
    assert main(['remove', str(source), str(target), *options]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(target)), expected(source))
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == [target.name]


def test_one_file_on_a_colour(options, image_tree: Path, tmp_path: Path) -> None:
    """JPEG for --output rgb; the mask for --output mask."""
    source = image_tree / 'dress/1.jpg'
    arguments = [*options, '--output', 'rgb', '--fill', '255,0,0']
    assert main(['remove', str(source), str(tmp_path / 'a.jpg'), *arguments]) == 0
    with Image.open(tmp_path / 'a.jpg') as image:
        assert (image.format, image.mode) == ('JPEG', 'RGB')
    assert main(['remove', str(source), str(tmp_path / 'm.png'), *options, '--output', 'mask']) == 0
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / 'm.png')), expected(source)[..., 3]
    )


def test_pipe(image_tree: Path, u2netp: str, photos: list[Path]) -> None:
    """Standard input to standard output, in a process of its own, with the real network."""
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'remove', '--model', u2netp]
    command += ['--format', 'webp', '--device', 'cpu']
    content = photos[0].read_bytes()
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert (image.format, image.mode) == ('WEBP', 'RGBA')
        assert image.size == read_image(photos[0]).size
    broken = subprocess.run(command, input=content[:900], capture_output=True, check=False)
    assert broken.returncode == 1
    assert broken.stdout == b''
    assert b'error: standard input: cannot be decoded' in broken.stderr


def test_folder_and_masks(options, image_tree: Path, tmp_path: Path, capsys) -> None:
    """`remove` makes cut-outs of a folder, `masks` a store; both say what they did."""
    assert main(['remove', str(image_tree), str(tmp_path / 'out'), *options]) == 0
    assert '6 done' in capsys.readouterr().out
    source = image_tree / 'dress/1.jpg'
    result = np.asarray(Image.open(tmp_path / 'out/dress/1.jpg.png'))
    np.testing.assert_array_equal(result, expected(source))
    assert main(['masks', str(image_tree), str(tmp_path / 'masks'), *options]) == 0
    assert MaskStore(tmp_path / 'masks', 'u2netp').get('dress/1.jpg') is not None
    (image_tree / 'bad.jpg').write_bytes(b'')
    assert main(['masks', str(image_tree), str(tmp_path / 'masks'), *options]) == 1
    assert 'failed: bad.jpg: the file is empty' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['photo.jpg', 'cut.jpg'], 'JPEG has no transparency: add --output rgb'),
        (['.', 'cut.png'], 'SRC is a folder, so DST must be one, but got cut.png'),
        (['-', 'folder'], 'one image from standard input goes to a file'),
        (['photo.jpg', 'out', '--watch'], '--watch needs a folder, but SRC is photo.jpg'),
        (['.', 's3://bucket/out', '--review', 'r'], '--sheet and --review need SRC and DST on'),
        (['.', 'out', '--sheet'], '--sheet shows a mask store'),
    ],
)
def test_misuse_is_explained(arguments, message, capsys, tmp_path, monkeypatch) -> None:
    """One line on what is wrong, and exit code 2."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(['remove', *arguments])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.jpg', 'cut.png'], 'error: there is no nowhere.jpg'),
        (['{photo}/x.jpg', 'cut.png'], 'error: [Errno 20] Not a directory: '),
        (['{photo}', 'cut.png', '--max-pixels', '9'], 'more than the limit of 9 (max_pixels)'),
        (['{photo}', 'cut.png', '--max-bytes', '9'], 'more than the limit of 9 (max_bytes)'),
    ],
)
def test_failures_of_one_file(
    options, arguments, message, image_tree: Path, capsys, tmp_path, monkeypatch
) -> None:
    """The reason on standard error, exit code 1, no file."""
    monkeypatch.chdir(tmp_path)
    arguments = [each.format(photo=image_tree / 'dress/1.jpg') for each in arguments]
    assert main(['remove', *arguments, *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'cut.png').exists()


def test_models(tiny_model, capsys) -> None:
    """A list of all; those that are named are fetched; unknown ones are named."""
    spec = tiny_model('u2netp')
    assert main(['models']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['model', 'input', 'licence', 'file']
    assert any(line.startswith('bria-rmbg') and 'CC-BY-NC-4.0' in line for line in lines)
    assert any(line.startswith('u2netp') and line.endswith(spec.file) for line in lines)
    assert main(['models', 'u2netp']) == 0
    assert capsys.readouterr().out.endswith('(verified)\n')
    assert main(['models', 'bria-rmbg']) == 1
    assert 'licensed CC-BY-NC-4.0' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(['models', 'u3'])
    assert "but got 'u3'" in capsys.readouterr().err


def test_bench(options, image_tree: Path, capsys, tmp_path: Path) -> None:
    """A line a setting on speed and one on masks; what does not work ends it with a reason."""
    labels = tmp_path / 'labels'
    labels.mkdir()
    for path in image_tree.rglob('*.*'):
        Image.fromarray(np.zeros(read_image(path).rgb.shape[:2], np.uint8)).save(
            labels / f'{path.stem}.png'
        )
    arguments = ['bench', str(image_tree), '--model', 'u2netp', '--labels', str(labels)]
    arguments += ['--images', '4', '--rounds', '2', '--settings', 'onnxruntime:fp32']
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('onnxruntime:fp32    masks differ from those of onnxruntime:fp32 by')
    assert '0.000 levels on average, IoU 0.' in lines[0]
    assert lines[-1].split()[0] == 'onnxruntime:fp32'
    assert '1.00 (1.00 to 1.00)' in lines[-1]
    assert main(['bench', str(tmp_path / 'labels'), '--rounds', '100']) == 1
    assert 'error: 100 rounds need as many photos at least' in capsys.readouterr().err


def test_bench_with_nothing_to_measure(
    image_tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that nothing here runs on a GPU: the error says what it needs."""
    monkeypatch.setattr('bgremoval_mm.cli.bench.is_installed', lambda name: False)
    arguments = ['bench', str(image_tree), '--model', 'silueta', '--device', 'cuda']
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert 'nothing that runs silueta on cuda is installed: it needs onnxruntime-gpu' in said


def test_bench_finds_label_maps(options, picture, capsys, tmp_path: Path) -> None:
    """By the photos' names, also where these are links; without any, or of another size, none."""
    for folder in ('photos', 'store', 'labels'):
        (tmp_path / folder).mkdir()
    for number in range(2):
        Image.fromarray(picture(16, 12, number)).save(tmp_path / 'store' / f'{number}f.png')
        (tmp_path / f'photos/{number}.png').symlink_to(tmp_path / f'store/{number}f.png')
    arguments = ['bench', str(tmp_path / 'photos'), *options, '--rounds', '1']
    arguments += ['--settings', 'onnxruntime:fp32', '--labels', str(tmp_path / 'labels')]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith('error: --labels: there is no label map of these photos, such as ')
    assert said.endswith('labels/0.png\n')
    labels = Image.new('L', read_image(tmp_path / 'photos/0.png').size)
    for number in range(2):
        labels.save(tmp_path / f'labels/{number}.png')
    assert main(arguments) == 0
    assert '(2 photos)' in capsys.readouterr().out.splitlines()[0]
    labels.resize((5, 5)).save(tmp_path / 'labels/1.png')
    assert main(arguments) == 1
    assert "labels/1.png must have its photo's shape (" in capsys.readouterr().err


def test_bench_loads_nothing_while_it_measures(
    options, image_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bare loop has a network of its own, on all cores: loading it is not its time."""
    from bgremoval_mm.cli import bench
    from bgremoval_mm.removal.backends import onnx_runtime

    seen: list[str] = []
    make, clock = onnx_runtime._make_session, time.perf_counter
    noted = SimpleNamespace(perf_counter=lambda: seen.append('clock') or clock())
    monkeypatch.setattr(bench, 'time', noted)
    monkeypatch.setattr(
        onnx_runtime, '_make_session', lambda *each: seen.append('load') or make(*each)
    )
    monkeypatch.setattr('bgremoval_mm.removal.backends.base.available_cores', lambda: 2)
    arguments = ['bench', str(image_tree), *options, '--images', '4', '--rounds', '2']
    assert main([*arguments, '--settings', 'onnxruntime:fp32']) == 0
    loads = [place for place, what in enumerate(seen) if what == 'load']
    assert len(loads) >= 2
    assert [seen[:place].count('clock') % 2 for place in loads] == [0] * len(loads)


def test_bench_of_batches_on_their_device(
    options, image_tree: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch gets photos as they are; each size of batch has been run before the rounds begin."""
    pytest.importorskip('torch')
    from bgremoval_mm.cli import bench
    from bgremoval_mm.removal.backends import torch_native

    seen: list[object] = []

    def start(batch: np.ndarray) -> Callable[[], np.ndarray]:
        seen.append(batch.shape)
        return batch[..., 0].copy

    bare = bench._bare_rate
    monkeypatch.setattr(torch_native, '_load', lambda *_: SimpleNamespace(start=start))
    monkeypatch.setattr(bench, '_bare_rate', lambda *each: seen.append('bare') or bare(*each))
    arguments = ['bench', str(image_tree), *options, '--images', '6', '--rounds', '2']
    assert main([*arguments, '--batch-size', '2', '--settings', 'torch:fp32']) == 0
    two, one = (2, 8, 8, 3), (1, 8, 8, 3)
    # Masks of six photos; a job to warm up; in each of two rounds a job and the bare loop, whose
    # first batch is run before.
    assert seen[:6] == [one] * 6
    batches = [seen[6:8], seen[8:10], seen[12:14], seen[14:16], seen[18:]]
    assert [sorted(each) for each in batches] == [[one, two]] * 5
    assert seen[10:12] == seen[16:18] == ['bare', two]
    assert capsys.readouterr().out.splitlines()[-1].startswith('torch:fp32 ')


@pytest.mark.parametrize(
    ('installed', 'cuda', 'model', 'settings'),
    [
        (set(), True, 'u2net', ['torch:fp32', 'torch:bf16', 'torch:fp16']),
        (
            {'onnxruntime-gpu'},
            True,
            'u2net',
            ['rembg', 'onnxruntime:fp32', 'torch:fp32', 'torch:bf16', 'torch:fp16'],
        ),
        ({'onnxruntime-gpu'}, False, 'u2net', ['rembg', 'onnxruntime:fp32']),
        ({'onnxruntime-gpu'}, True, 'silueta', ['rembg', 'onnxruntime:fp32']),
    ],
)
def test_what_bench_measures_on_a_gpu(
    installed: set[str],
    cuda: bool,
    model: str,
    settings: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only what can run there; without ONNX Runtime's build for GPUs, torch alone."""
    from bgremoval_mm.cli import bench

    monkeypatch.setattr(bench, 'is_installed', lambda name: name in installed)
    monkeypatch.setattr(bench, 'torch_has_cuda', lambda: cuda)
    monkeypatch.setattr(bench, 'find_spec', lambda name: name)
    assert bench._installed(get_model(model), 'cuda') == settings


@pytest.mark.parametrize('tool', ['doctor.py', ''])
def test_doctor(tool: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """`bgremoval doctor` and tools/doctor.py run the checks; their result is the exit code."""
    run = runpy.run_path(str(repository / 'tools' / tool))['main'] if tool else main
    broken = Check('thing', 'import sys; sys.exit("broken")', 'repair it')
    monkeypatch.setattr('bgremoval_mm.cli.doctor.run_doctor', lambda: run_doctor([broken]))
    assert run([] if tool else ['doctor']) == 1
    assert 'thing  FAULT   broken' in capsys.readouterr().out


def test_command_is_installed() -> None:
    """The console script is there, beside the interpreter."""
    command = Path(sys.executable).with_name('bgremoval')
    if not command.is_file():
        pytest.skip('needs the package installed: pip install -e .')
    done = subprocess.run([command, '--version'], capture_output=True, text=True, check=True)
    assert done.stdout.startswith('bgremoval_mm ')


def test_engine_alone(repository: Path, image_tree: Path, tmp_path: Path) -> None:
    """The commands need neither torch nor OpenMMLab nor matplotlib."""
    code = (
        'import sys\n'
        'for name in ("mmengine", "mmcv", "torch", "matplotlib"): sys.modules[name] = None\n'
        'from bgremoval_mm.cli.main import main\n'
        'import bgremoval_mm.removal.review.page\n'
        'sys.exit(main(["models"]))\n'
    )
    environment = {**os.environ, 'PYTHONPATH': str(repository)}
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
