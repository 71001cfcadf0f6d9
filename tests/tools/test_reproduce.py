"""tools/reproduce.py on a tiny dataset: planned, killed, resumed, done, and never twice."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from bgremoval_mm.experiments.papers import load_work
from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.runner.runs import Run, Workspace, select_runs
from bgremoval_mm.experiments.runner.state import is_locked
from bgremoval_mm.experiments.runner.worker import work
from bgremoval_mm.removal import remove_tree

ROOT = Path(__file__).resolve().parents[2]
SELECTION = ['--results', 'Fig. 5', '--datasets', 'clothing10', '--models', 'resnet50']


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`main` of the tool."""
    pytest.importorskip('mmpretrain')
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    tool = runpy.run_path(str(ROOT / 'tools/reproduce.py'))['main']
    return lambda *arguments: tool(list(arguments))


@pytest.fixture
def options(clothing10_root: Path, tiny_model: Callable, tmp_path: Path) -> list[str]:
    """Options that make the runs take seconds: a thin network, 20 small photos, 4 epochs."""
    tiny_model('u2net')
    masks = tmp_path / 'masks'
    remove_tree(clothing10_root, masks, 'u2net', device='cpu', progress=False)
    options = [
        'model.backbone.depth=18',
        'model.backbone.base_channels=8',
        'model.backbone.stem_channels=8',
        'model.head.in_channels=64',
        'train_dataloader.dataset.pipeline.1.scale=32',
        'train_dataloader.batch_size=10',
        'train_dataset.indices=20',
        'train_cfg.max_epochs=4',
    ]
    for subset in ('train', 'val', 'test'):
        options += [
            f'{subset}_dataset.data_root={clothing10_root}',
            f'{subset}_dataloader.num_workers=0',
            f'{subset}_dataloader.persistent_workers=False',
        ]
    return options


@pytest.fixture
def pair(options: list[str], tmp_path: Path) -> tuple[Run, Run]:
    """The run on originals and that on removed images."""
    original, removed = select_runs(WORK, ['Fig. 5'], ['clothing10'], ['resnet50'])
    return original, removed


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the tool in a process of its own."""
    command = [sys.executable, str(ROOT / 'tools/reproduce.py'), 'run', *SELECTION]
    return subprocess.Popen(
        [*command, '--root', str(root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread here and in processes: sums in another order are other sums in the last bit."""
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('MKL_NUM_THREADS', '1')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures('one_thread')
def test_killed_run_ends_as_an_undisturbed_one(
    main: Callable[..., int], pair: tuple[Run, Run], options: list[str], tmp_path: Path
) -> None:
    """Scheduler and worker killed after an epoch; resumed, the weights are the same bits."""
    original, _ = pair
    undisturbed = work(
        original, Workspace(tmp_path / 'undisturbed', ROOT / 'configs', tuple(options))
    )

    root = tmp_path / 'killed'
    folder = root / original.name
    process = start(root, '--arms', 'original', '--cfg-options', *options)
    deadline = time.monotonic() + 180
    while not (folder / 'epoch_1.pth').is_file():
        assert time.monotonic() < deadline, (folder / 'run.log').read_text()[-2000:]
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    (children,) = [
        each
        for each in Path('/proc').glob('[0-9]*/cmdline')
        if b'experiments.runner.worker' in read(each) and str(root).encode() in read(each)
    ]
    os.kill(int(children.parent.name), signal.SIGKILL)
    process.wait()
    while is_locked(folder):  # until the system has cleared the worker away
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (folder / 'result.json').exists()

    resumed = work(original, Workspace(root, ROOT / 'configs', tuple(options)))
    assert len(resumed['starts']) == 2
    assert resumed['metrics'] == undisturbed['metrics']
    weights = [
        torch.load(tmp_path / name / original.name / 'epoch_4.pth')['state_dict']
        for name in ('undisturbed', 'killed')
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    # And once it is done, nothing is done.
    before = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
    assert main('run', *SELECTION, '--variants', 'original', '--root', str(root), '--cfg-options', *options) == 0  # noqa: E501  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in folder.rglob('*')} == before


def read(path: Path) -> bytes:
    """Content of a file that may be gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b''


@pytest.mark.slow
def test_results_of_both_variants(
    pair: tuple[Run, Run], options: list[str], clothing10_root: Path, tmp_path: Path
) -> None:
    """Metrics, results of the same photos, and the difference to the same seed's original."""
    masks = f'dataset.mask_dir={tmp_path / "masks"}'
    with_masks = [
        *options,
        *(f'{subset}_dataloader.{masks}' for subset in ('train', 'val', 'test')),
    ]
    root = tmp_path / 'root'
    original, removed = pair
    first = work(original, Workspace(root, ROOT / 'configs', tuple(options)))
    second = work(removed, Workspace(root, ROOT / 'configs', tuple(with_masks)))

    assert first['experiment'] == original.describe()
    assert first['checkpoint'] == 'epoch_4.pth'
    assert first['images'] == 20
    assert first['versions']['torch'] == torch.__version__.partition('+')[0]
    per_image = [np.load(root / run.name / 'evidence.npz') for run in pair]
    names = per_image[0]['names'].tolist()
    assert names == per_image[1]['names'].tolist() == sorted(names)
    assert (clothing10_root / names[0]).is_file()
    for result, arrays in zip((first, second), per_image, strict=True):
        right = (arrays['labels'] == arrays['predictions']).mean() * 100
        assert result['metrics']['accuracy/top1'] == pytest.approx(right)
    report = json.loads((root / removed.name / 'diff_metrics.json').read_text())
    assert report['test']['accuracy/top1']['original'] == first['metrics']['accuracy/top1']
    assert report['test']['accuracy/top1']['rembg'] == second['metrics']['accuracy/top1']


def test_plan(main: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The plan shows each run's state and changes nothing."""
    missing = f'train_dataset.data_root={tmp_path / "none"}'
    arguments = (*SELECTION, '--root', str(tmp_path / 'root'), '--seeds', '0', '1')
    assert main('plan', *arguments, '--cfg-options', missing) == 0
    out = capsys.readouterr().out
    assert 'Fig. 5, clothing10' in out
    assert '4 missing data' in out
    assert 'prepare_dataset.py clothing10' in out
    assert not (tmp_path / 'root').exists()
    assert main('run', *arguments, '--cfg-options', missing) == 1


@pytest.mark.slow
def test_plan_with_an_estimate(
    main: Callable[..., int],
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """A few iterations are timed once; a second plan knows them."""
    arguments = (*SELECTION, '--arms', 'original', '--root', str(tmp_path / 'root'))
    assert main('plan', *arguments, '--estimate', '2', '--cfg-options', *options) == 0
    captured = capsys.readouterr()
    assert 'timing classification/resnet/resnet50_1xb32_clothing10.py' in captured.err
    assert 'hours left on one CPU' in captured.out
    (hours,) = json.loads((tmp_path / 'root' / 'estimates.json').read_text()).values()
    assert 0 < hours < 1
    assert main('plan', *arguments, '--estimate', '2', '--cfg-options', *options) == 0
    assert 'timing' not in capsys.readouterr().err


def test_other_options_are_refused(
    main: Callable[..., int],
    pair: tuple[Run, Run],
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """Runs of other options are never mixed into the same root."""
    folder = tmp_path / 'root' / pair[0].name
    folder.mkdir(parents=True)
    (folder / 'run.json').write_text(json.dumps({'options': ['train_cfg.max_epochs=9']}))
    arguments = (*SELECTION, '--arms', 'original', '--root', str(tmp_path / 'root'))
    assert main('run', *arguments, '--cfg-options', *options) == 1
    assert 'Take another --root' in capsys.readouterr().err


def test_slurm_discards_checkpoints_and_tells_of_what_is_missing(
    main: Callable[..., int], pair: tuple[Run, Run], tmp_path: Path
) -> None:
    """As without Slurm: of runs that are done, and by the exit status."""
    option = f'train_dataset.data_root={tmp_path / "none"}'
    folder = tmp_path / 'root' / pair[0].name
    folder.mkdir(parents=True)
    (folder / 'result.json').write_text(json.dumps({'options': [option]}))
    (folder / 'epoch_4.pth').touch()
    arguments = (*SELECTION, '--arms', 'original', '--root', str(tmp_path / 'root'))
    command = ('run', *arguments, '--slurm', 'gpu', '--cfg-options', option)
    assert main(*command) == 0
    assert (folder / 'epoch_4.pth').exists()
    assert main(*command, '--discard-checkpoints') == 0
    assert not (folder / 'epoch_4.pth').exists()
    assert main(*command, '--seeds', '0', '1') == 1


def test_checkpoints_that_other_runs_need_stay(tmp_path: Path) -> None:
    """A network with the person detector as a layer starts from its last checkpoint."""
    discard = runpy.run_path(str(ROOT / 'tools/reproduce.py'))['discard_checkpoints']
    chosen = (load_work('schindler2017'), ['Person detector'])
    runs = select_runs(*chosen, seeds=(0, 1), folds=[2])
    for run in runs:
        folder = tmp_path / run.name
        folder.mkdir(parents=True)
        for name in ('result.json', 'epoch_49.pth', 'epoch_50.pth'):
            (folder / name).touch()
    discard(runs, Workspace(tmp_path, ROOT / 'configs'))
    (kept,) = tmp_path.rglob('*.pth')
    assert kept == tmp_path / 'vgg-like_1xb32_luma-person/fold2/seed0/epoch_50.pth'


@pytest.mark.parametrize(
    ('arguments', 'allowed'),
    [
        (('plan', '--seeds', '0', '-1'), 'from 0 to 2147483647'),
        (('plan', '--estimate', '0'), '1 or more'),
        (('run', '--jobs', '0'), '1 or more'),
    ],
)
def test_numbers_out_of_range(
    main: Callable[..., int],
    arguments: tuple[str, ...],
    allowed: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They are refused before the first run."""
    with pytest.raises(SystemExit):
        main(*arguments)
    error = f'{arguments[1]}: must be a whole number, {allowed}, but got {arguments[-1]!r}'
    assert error in capsys.readouterr().err


def test_nothing_selected_and_wrong_names(
    main: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    """An empty selection and an unknown name are errors."""
    assert main('plan', '--results', 'Table I', '--datasets', 'clothing10') == 2
    with pytest.raises(SystemExit):
        main('plan', '--mask-model', 'u2')
    assert 'must be one of u2net, ' in capsys.readouterr().err
    assert main('plan', '--mask-model', 'absent.onnx') == 1
    assert '`model`: there is no file absent.onnx' in capsys.readouterr().err
    assert main('plan', '--models', 'vgg12') == 1
    assert '`models` must be of vgg11, vgg11bn' in capsys.readouterr().err
