"""Which runs there are, where they lie, and what state they are in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import Timeout

from bgremoval_mm.experiments.papers.liang2023.experiments import ARMS, EXPERIMENTS
from bgremoval_mm.experiments.runner.options import load_config, missing_data, photos_of
from bgremoval_mm.experiments.runner.runs import PLACES, Run, run_of_config, select_runs
from bgremoval_mm.experiments.runner.state import is_locked, read_json, run_lock, state_of

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs'


def test_all_runs() -> None:
    """Each experiment, on each of its data sets, in both arms, with each seed, exactly once."""
    runs = select_runs(seeds=(0, 1, 2))
    assert len(runs) == sum(len(each.datasets) for each in EXPERIMENTS) * len(ARMS) * 3
    assert len({run.name for run in runs}) == len(runs)
    places = [run.experiment.place for run in runs]
    assert list(dict.fromkeys(places)) == list(PLACES)


def test_original_arm_comes_first() -> None:
    """The removed arm is compared with the original one, which is therefore trained before."""
    runs = select_runs(seeds=(3, 4))
    for run in runs:
        assert runs.index(run.original) <= runs.index(run)
        assert (CONFIGS / run.config).is_file()


def test_selection() -> None:
    """Each selection narrows the others."""
    (run,) = select_runs(['Fig. 5'], ['clothing10'], ['vgg11'], ['rembg'], [7])
    assert run.name == 'vgg11_1xb32_clothing10-rembg/seed7'
    assert run.original.name == 'vgg11_1xb32_clothing10/seed7'
    assert select_runs(['Table II'], ['clothing10']) == []


@pytest.mark.parametrize('argument', ['places', 'datasets', 'models', 'arms'])
def test_unknown_name(argument: str) -> None:
    """An unknown name is an error that lists the known ones."""
    with pytest.raises(ValueError, match=rf"`{argument}` must be of .*, but got 'nothing'"):
        select_runs(**{argument: ['nothing']})


def test_run_of_config() -> None:
    """A config's path leads back to its run."""
    for run in select_runs(seeds=[5]):
        assert run_of_config(run.config, 5) == run
    with pytest.raises(ValueError, match=r"got 'classification/vgg/none\.py'"):
        run_of_config('classification/vgg/none.py', 0)


@pytest.fixture
def run() -> Run:
    """A run."""
    return select_runs(['Fig. 5'], ['clothing10'], ['vgg11'])[0]


def test_states(run: Run, tmp_path: Path) -> None:
    """From nothing to done, by what lies in the folder."""
    folder = tmp_path / run.name
    assert state_of(run, tmp_path) == 'pending'
    assert state_of(run, tmp_path, missing=lambda _: 'no photos') == 'missing data'
    folder.mkdir(parents=True)
    (folder / 'run.json').write_text(json.dumps({'options': ['a=1']}))
    assert state_of(run, tmp_path, ['a=2']) == 'other options'
    assert state_of(run, tmp_path, ['a=1']) == 'pending'
    (folder / 'last_checkpoint').write_text('epoch_1.pth')
    assert state_of(run, tmp_path, ['a=1']) == 'interrupted'
    (folder / 'failure.json').write_text(json.dumps({'reason': 'none'}))
    assert state_of(run, tmp_path, ['a=1']) == 'failed'
    with run_lock(folder).acquire(timeout=0):
        assert state_of(run, tmp_path, ['a=1']) == 'running'
    assert state_of(run, tmp_path, ['a=1']) == 'failed'
    (folder / 'result.json').write_text(json.dumps({'options': ['a=1']}))
    assert state_of(run, tmp_path, ['a=1']) == 'done'
    assert state_of(run, tmp_path, []) == 'other options'


ASK = """
import sys
from pathlib import Path
from bgremoval_mm.experiments.runner.state import is_locked
print('asking', flush=True)
while not Path('stop').exists():
    assert not is_locked(Path('run')) or Path('held').exists() or Path('stop').exists()
"""


def test_asking_keeps_no_worker_from_its_run(tmp_path: Path) -> None:
    """While another process asks without a pause whether a run is locked, locking it succeeds."""
    folder = tmp_path / 'run'
    folder.mkdir()
    lock = run_lock(folder)
    lock.path.touch()
    (tmp_path / 'held').touch()
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, '-c', ASK]
    asking = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    try:
        assert asking.stdout is not None
        assert asking.stdout.readline() == b'asking\n'
        for _ in range(300):
            with lock.acquire(timeout=0):
                assert is_locked(folder)
    finally:
        (tmp_path / 'stop').touch()
        asking.wait(60)
    assert asking.returncode == 0
    assert not is_locked(folder)


def test_those_who_ask_do_not_disturb_each_other(tmp_path: Path) -> None:
    """A run that nobody works on is not called locked because another process asks, too."""
    folder = tmp_path / 'run'
    folder.mkdir()
    run_lock(folder).path.touch()
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    asking = subprocess.Popen(
        [sys.executable, '-c', ASK], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    )
    try:
        assert asking.stdout is not None
        assert asking.stdout.readline() == b'asking\n'
        assert not any(is_locked(folder) for _ in range(3000))
    finally:
        (tmp_path / 'stop').touch()
        asking.wait(60)
    assert asking.returncode == 0


def test_a_run_at_work_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker gives up after its patience while another one holds the lock."""
    monkeypatch.setattr('bgremoval_mm.experiments.runner.state._PATIENCE_SECONDS', 0.05)
    assert not is_locked(tmp_path)
    with run_lock(tmp_path).acquire():
        assert is_locked(tmp_path)
        with pytest.raises(Timeout):
            run_lock(tmp_path).acquire(timeout=0)


def test_torn_files_are_named(tmp_path: Path) -> None:
    """A file that is no JSON object is an error with its name; a missing one is none."""
    assert read_json(tmp_path / 'none.json') is None
    (tmp_path / 'torn.json').write_text('{"a": ')
    with pytest.raises(ValueError, match=r'torn.json is not JSON'):
        read_json(tmp_path / 'torn.json')
    (tmp_path / 'list.json').write_text('[]')
    with pytest.raises(ValueError, match=r'list.json must hold a JSON object, but holds a list'):
        read_json(tmp_path / 'list.json')


def test_options_reach_the_photos_in_both_arms() -> None:
    """`train_dataset.` is the data set that reads the photos, however deep it lies."""
    pytest.importorskip('mmpretrain')
    options = ['train_dataset.indices=[0,2]', 'train_cfg.max_epochs=3', 'model.head.topk=(1,)']
    for run in select_runs(['Fig. 5'], ['clothing10'], ['resnet50']):
        config = load_config(CONFIGS / run.config, options)
        dataset = config.train_dataloader.dataset
        leaf = dataset.dataset if run.arm == 'rembg' else dataset
        assert leaf.indices == [0, 2]
        assert 'indices' not in config.test_dataloader.dataset
        assert config.train_cfg.max_epochs == 3
        assert photos_of(dataset) == 'data/clothing10'


@pytest.mark.parametrize('own', [False, True])
def test_options_of_the_pipeline_reach_the_one_that_is_used(tmp_path: Path, own: bool) -> None:
    """A pipeline at the wrapper's level takes the place of the inner one, and gets the option."""
    pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'Resize', 'scale': 8}]
    leaf = {'type': 'CustomDataset', 'data_root': 'a', 'pipeline': pipeline}
    wrapper = {'type': 'RembgDataset', 'dataset': {'type': 'ConcatDataset', 'datasets': [leaf] * 2}}
    if own:
        wrapper['pipeline'] = pipeline
    path = tmp_path / 'x.py'
    path.write_text(f'train_dataloader = dict(dataset={wrapper})')
    config = load_config(path, ['train_dataset.pipeline.1.scale=4', 'train_dataset.indices=2'])
    dataset = config.train_dataloader.dataset
    leaves = dataset.dataset.datasets
    assert [each.indices for each in leaves] == [2, 2]
    changed = [dataset] if own else leaves
    assert [each.pipeline[1].scale for each in changed] == [4] * len(changed)
    assert photos_of(dataset) == 'a'


def test_photos_of_several_folders() -> None:
    """Datasets in two folders, or in none that is named, have not one folder of photos."""
    pair = {'type': 'ConcatDataset', 'datasets': [{'type': 'A', 'data_root': r} for r in 'xy']}
    with pytest.raises(ValueError, match=r"one `data_root`, but of A, A it is 'x', 'y'"):
        photos_of(pair)
    with pytest.raises(ValueError, match='one `data_root`, but of B it is None'):
        photos_of({'type': 'B'})


@pytest.mark.parametrize(
    ('option', 'message'),
    [('epochs', "KEY=VALUE, but got 'epochs'"), ('train_dataloader.dataset.pipeline.9.a=1', 'fit')],
)
def test_wrong_options(option: str, message: str) -> None:
    """An option that does not fit is an error."""
    pytest.importorskip('mmpretrain')
    with pytest.raises(ValueError, match=message):
        load_config(CONFIGS / 'classification/vgg/vgg11_1xb32_clothing10.py', [option])


def test_missing_data_names_the_command(run: Run, tmp_path: Path) -> None:
    """Photos, then masks; nothing once both are there."""
    pytest.importorskip('mmpretrain')
    removed = select_runs(['Fig. 5'], ['clothing10'], ['vgg11'], ['rembg'])[0]
    photos, masks = tmp_path / 'photos', tmp_path / 'masks'
    options = [f'train_dataset.data_root={photos}']
    with_masks = [*options, f'train_dataloader.dataset.mask_dir={masks}']
    assert 'prepare_dataset.py clothing10' in missing_data(run, CONFIGS, options)
    photos.mkdir()
    assert missing_data(run, CONFIGS, options) == ''
    assert f'remove_background.py {photos} {masks}' in missing_data(removed, CONFIGS, with_masks)
    (masks / 'u2net').mkdir(parents=True)
    assert missing_data(removed, CONFIGS, with_masks) == ''
