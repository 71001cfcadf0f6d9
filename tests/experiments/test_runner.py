"""Which runs there are, where they lie, and what state they are in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from filelock import Timeout
from mmengine.config import Config

from bgremoval_mm.experiments.papers import WORKS, load_work
from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.runner import worker
from bgremoval_mm.experiments.runner.estimate import count_iterations
from bgremoval_mm.experiments.runner.options import (
    load_config,
    missing_data,
    photos_of,
    run_config,
)
from bgremoval_mm.experiments.runner.runs import (
    Run,
    Workspace,
    networks_of,
    run_of_config,
    select_runs,
)
from bgremoval_mm.experiments.runner.scheduler import worker_command
from bgremoval_mm.experiments.runner.state import is_locked, run_lock, state_of
from bgremoval_mm.experiments.runner.worker import prepare, work
from bgremoval_mm.removal import MaskStore
from bgremoval_mm.removal.zoo.weights import find_weights

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs'


def test_all_runs() -> None:
    """Each experiment, on each of its datasets, in each variant, with each seed, exactly once."""
    runs = select_runs(WORK, seeds=(0, 1, 2))
    assert len(runs) == sum(len(e.datasets) * len(e.variants) for e in WORK.experiments) * 3
    assert len({run.name for run in runs}) == len(runs)
    items = [run.experiment.item for run in runs]
    assert tuple(dict.fromkeys(items)) == WORK.items


def test_the_baseline_comes_first() -> None:
    """The other variants are compared with the baseline, which is therefore trained before."""
    runs = select_runs(WORK, seeds=(3, 4))
    for run in runs:
        assert runs.index(run.baseline) <= runs.index(run)
        assert (CONFIGS / run.config).is_file()


def test_selection() -> None:
    """Each selection narrows the others."""
    (run,) = select_runs(WORK, ['Fig. 5'], ['clothing10'], ['vgg11'], ['rembg'], [7])
    assert run.name == 'vgg11_1xb32_clothing10-rembg/seed7'
    assert run.baseline.name == 'vgg11_1xb32_clothing10/seed7'
    assert select_runs(WORK, ['Table II'], ['clothing10']) == []


@pytest.mark.parametrize('argument', ['items', 'datasets', 'models', 'variants'])
def test_unknown_name(argument: str) -> None:
    """An unknown name is an error that lists the known ones."""
    with pytest.raises(ValueError, match=rf"`{argument}` must be of .*, but got 'nothing'"):
        select_runs(WORK, **{argument: ['nothing']})


def test_run_of_config() -> None:
    """A config's path leads back to its run."""
    for run in select_runs(WORK, seeds=[5]):
        assert run_of_config(WORK, run.config, 5) == run
    with pytest.raises(ValueError, match=r"got 'classification/vgg/none\.py'"):
        run_of_config(WORK, 'classification/vgg/none.py', 0)


CATALOGUES = load_work('schindler2017')


def test_folds_are_runs() -> None:
    """Each fold with each seed, in a folder of its own; all folds of a seed come together."""
    chosen = (CATALOGUES, ['Table I'], ['luma'], ['vgg16'])
    runs = select_runs(*chosen, ['original', 'rembg'], [0, 4])
    name = 'vgg16_1xb32_luma'
    assert [run.name for run in runs] == [
        f'{name}{suffix}/fold{fold}/seed{seed}'
        for seed in (0, 4)
        for fold in (0, 1, 2)
        for suffix in ('', '-rembg')
    ]
    assert {run.baseline.name for run in runs} == {run.name for run in runs[::2]}
    last = runs[-1]
    assert last.options == tuple(f'{each}_dataset.fold=2' for each in ('train', 'val', 'test'))
    assert last.describe()['fold'] == 2
    assert 'fold' not in select_runs(WORK)[0].describe()
    only = select_runs(*chosen, [], [0], [1])
    assert {run.fold for run in only} == {1}
    with pytest.raises(ValueError, match='`folds` must be of 0, 1, 2, but got 3'):
        select_runs(*chosen, folds=[3])
    with pytest.raises(ValueError, match='nothing: liang2023 has no folds, but got 0'):
        select_runs(WORK, folds=[0])


def test_run_of_config_and_fold() -> None:
    """A worker's command line leads back to its run, and must name a fold where there are some."""
    for run in select_runs(CATALOGUES, ['Open photos'], seeds=[5]):
        assert run_of_config(CATALOGUES, run.config, 5, run.fold) == run
        command = worker_command(run, Workspace(Path('root'), CONFIGS))
        assert command[command.index('--fold') + 1] == str(run.fold)
    config = 'classification/catalogue/vgg16_1xb32_luma.py'
    with pytest.raises(ValueError, match=rf'`fold` must be one of 0, 1, 2 for {config}, but got N'):
        run_of_config(CATALOGUES, config, 0)
    run = select_runs(WORK)[0]
    with pytest.raises(ValueError, match=rf'must be one of None for {run.config}, but got 1'):
        run_of_config(WORK, run.config, 0, 1)
    assert '--fold' not in worker_command(run, Workspace(Path('root'), CONFIGS))


def test_options_of_a_fold(tmp_path: Path) -> None:
    """They reach the photos of all subsets, inside RembgDataset, too; the test writes products."""
    pytest.importorskip('mmpretrain')
    workspace = Workspace(tmp_path, CONFIGS)
    chosen = (CATALOGUES, ['Table I'], ['luma'], ['vgg16'], ['original', 'rembg'])
    for run in select_runs(*chosen, folds=[2]):
        config = prepare(run, workspace)
        for subset in ('train', 'val', 'test'):
            dataset = config[f'{subset}_dataloader'].dataset
            base = dataset.dataset if run.variant == 'rembg' else dataset
            assert base.fold == 2
        (products,) = (e for e in config.test_evaluator if e['type'] == 'ProductAccuracy')
        assert products['out_dir'] == str(tmp_path / run.name / 'products')
        kinds = {each['type']: each for each in config.test_evaluator}
        assert kinds['PerImageAccuracy']['topk'] == kinds['Accuracy']['topk'] == (1,)
        hooks = [h for h in config.get('custom_hooks', []) if h['type'] == 'DiffMetricsHook']
        baseline = str(tmp_path / run.baseline.name)
        assert [h['baseline'] for h in hooks] == [baseline] * (run.variant == 'rembg')


def test_the_detector_of_a_fold(tmp_path: Path) -> None:
    """The layer is the detector of the same fold, which does not know the tested photos."""
    pytest.importorskip('mmpretrain')
    model = 'inception-v3_in1k-pre_person-layer'
    runs = select_runs(CATALOGUES, ['Table I'], ['luma'], [model], ['rembg'], [3], [1])
    detectors = select_runs(CATALOGUES, ['Person detector'], [], [], ['original'], [0], [1])
    (run,), (detector,) = runs, detectors
    for root in (tmp_path, tmp_path / 'my runs, all'):
        workspace = Workspace(root, CONFIGS)
        config = run_config(run, workspace)
        checkpoint = config.model.backbone.detector.init_cfg.checkpoint
        assert checkpoint == f'{workspace.folder(detector)}/epoch_50.pth'
    assert run_config(detector, workspace).train_cfg.max_epochs == 50
    assert CATALOGUES.items.index('Person detector') < CATALOGUES.items.index('Table I')


def test_missing_folds(tmp_path: Path) -> None:
    """The file that divides the products is named."""
    pytest.importorskip('mmpretrain')
    (run, *_) = select_runs(CATALOGUES, ['Table I'], ['luma'], ['vgg16'], ['original'])
    file = tmp_path / 'folds.csv'
    options = [f'train_dataset.data_root={tmp_path}']
    options += [f'{subset}_dataset.fold_file={file}' for subset in ('train', 'val', 'test')]
    workspace = Workspace(tmp_path, CONFIGS, tuple(options))
    assert missing_data(run, workspace) == f'no folds in {file}: see docs/catalogue.md'
    file.touch()
    assert missing_data(run, workspace) == ''


@pytest.fixture
def run() -> Run:
    """A run."""
    return select_runs(WORK, ['Fig. 5'], ['clothing10'], ['vgg11'])[0]


def test_states(run: Run, tmp_path: Path) -> None:
    """From nothing to done, by what lies in the folder."""

    def workspace(options: Sequence[str] = ()) -> Workspace:
        return Workspace(tmp_path, CONFIGS, tuple(options))

    folder = tmp_path / run.name
    assert state_of(run, workspace()) == 'pending'
    assert state_of(run, workspace(), missing=lambda _: 'no photos') == 'missing data'
    folder.mkdir(parents=True)
    (folder / 'run.json').write_text(json.dumps({'options': ['a=1']}))
    assert state_of(run, workspace(['a=2'])) == 'other options'
    assert state_of(run, workspace(['a=1'])) == 'pending'
    (folder / 'last_checkpoint').write_text('epoch_1.pth')
    assert state_of(run, workspace(['a=1'])) == 'interrupted'
    (folder / 'failure.json').write_text(json.dumps({'reason': 'none'}))
    assert state_of(run, workspace(['a=1'])) == 'failed'
    with run_lock(folder).acquire(timeout=0):
        assert state_of(run, workspace(['a=1'])) == 'running'
    assert state_of(run, workspace(['a=1'])) == 'failed'
    (folder / 'result.json').write_text(json.dumps({'options': ['a=1']}))
    assert state_of(run, workspace(['a=1'])) == 'done'
    assert state_of(run, workspace([])) == 'other options'


def test_what_a_run_starts_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Weights of its config at first, then its own newest checkpoint that is whole."""

    def start() -> tuple[bool, str | None]:
        config = Config({'load_from': 'pretrained.pth', 'resume': True})
        worker._set_start(config, tmp_path)
        return config.resume, config.load_from

    assert start() == (False, 'pretrained.pth')
    for epoch in (1, 2, 3):
        torch.save({'epoch': epoch}, tmp_path / f'epoch_{epoch}.pth')
        os.utime(tmp_path / f'epoch_{epoch}.pth', (epoch, epoch))
    torch.save({}, tmp_path / 'best_accuracy_epoch_9.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))
    assert start() == (True, str(tmp_path / 'epoch_3.pth'))
    assert not caplog.records
    # Killed while it was written over, as mmengine does with the best one.
    content = (tmp_path / 'epoch_3.pth').read_bytes()
    (tmp_path / 'epoch_3.pth').write_bytes(content[: len(content) // 2])
    assert start() == (True, str(tmp_path / 'epoch_2.pth'))
    assert 'epoch_3.pth is cut off: epoch_2.pth is taken' in caplog.text
    for epoch in (1, 2):
        (tmp_path / f'epoch_{epoch}.pth').write_bytes(b'')
    assert start() == (False, 'pretrained.pth')
    assert 'epoch_3.pth is cut off: the run begins again' in caplog.text


def test_works_with_a_config_in_common(make_result: Callable, tmp_path: Path) -> None:
    """Each is shown in its own report only, so that the run of one is not done for the other."""
    chosen = (['clothing10'], ['vgg11'], ['original'])
    (run,) = select_runs(WORK, ['Fig. 5'], *chosen)
    (other,) = select_runs(load_work('kobs2022'), ['Classifiers'], *chosen)
    assert other.name == run.name
    workspace = Workspace(tmp_path, CONFIGS)
    folder = make_result(run, {'accuracy/top1': 50.0}, root=tmp_path)
    assert state_of(run, workspace) == 'done'
    assert state_of(other, workspace) == 'other options'
    with pytest.raises(RuntimeError, match=rf'{folder} was begun .* for another work'):
        work(other, workspace)
    result = json.loads((folder / 'result.json').read_text())
    del result['experiment']['work']  # as in earlier releases, which had the one work
    (folder / 'result.json').write_text(json.dumps(result))
    assert state_of(run, workspace) == 'done'
    assert state_of(other, workspace) == 'other options'


ASK = """
import sys
from collections.abc import Sequence
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


def test_options_reach_the_photos_in_both_variants() -> None:
    """`train_dataset.` is the dataset that reads the photos, however deep it lies."""
    pytest.importorskip('mmpretrain')
    options = ['train_dataset.indices=[0,2]', 'train_cfg.max_epochs=3', 'model.head.topk=(1,)']
    for run in select_runs(WORK, ['Fig. 5'], ['clothing10'], ['resnet50']):
        config = load_config(CONFIGS / run.config, options)
        dataset = config.train_dataloader.dataset
        base = dataset.dataset if run.variant == 'rembg' else dataset
        assert base.indices == [0, 2]
        assert 'indices' not in config.test_dataloader.dataset
        assert config.train_cfg.max_epochs == 3
        assert photos_of(dataset) == 'data/clothing10'


@pytest.mark.parametrize('own', [False, True])
def test_options_of_the_pipeline_reach_the_one_that_is_used(tmp_path: Path, own: bool) -> None:
    """A pipeline at the wrapper's level takes the place of the inner one, and gets the option."""
    pipeline = [{'type': 'LoadImageFromFile'}, {'type': 'Resize', 'scale': 8}]
    base = {'type': 'CustomDataset', 'data_root': 'a', 'pipeline': pipeline}
    wrapper = {'type': 'RembgDataset', 'dataset': {'type': 'ConcatDataset', 'datasets': [base] * 2}}
    if own:
        wrapper['pipeline'] = pipeline
    path = tmp_path / 'x.py'
    path.write_text(f'train_dataloader = dict(dataset={wrapper})')
    config = load_config(path, ['train_dataset.pipeline.1.scale=4', 'train_dataset.indices=2'])
    dataset = config.train_dataloader.dataset
    bases = dataset.dataset.datasets
    assert [each.indices for each in bases] == [2, 2]
    changed = [dataset] if own else bases
    assert [each.pipeline[1].scale for each in changed] == [4] * len(changed)
    assert photos_of(dataset) == 'a'


def test_photos_of_several_folders() -> None:
    """Of two folders it is the one that holds both; there may be none, or none that is named."""

    def joined(*roots: str) -> dict:
        datasets = [{'type': 'A', 'data_root': root} for root in roots]
        return {'type': 'ConcatDataset', 'datasets': datasets}

    assert photos_of(joined('data/street', 'data/shop')) == 'data'
    assert photos_of(joined('/data/x/street', '/data/x/shop/white')) == '/data/x'
    for roots in ('x', 'y'), ('/x', '/y'), ('/data/x', 'data/y'):
        shown = ', '.join(map(repr, sorted(roots)))
        with pytest.raises(
            ValueError, match=f'in several of one folder, but of A, A it is {shown}'
        ):
            photos_of(joined(*roots))
    with pytest.raises(ValueError, match='one folder, but of B it is None'):
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
    removed = select_runs(WORK, ['Fig. 5'], ['clothing10'], ['vgg11'], ['rembg'])[0]
    photos, masks = tmp_path / 'photos', tmp_path / 'masks'
    options = [f'train_dataset.data_root={photos}']
    with_masks = [
        *options,
        *(f'{subset}_dataloader.dataset.mask_dir={masks}' for subset in ('train', 'val', 'test')),
    ]
    plain = Workspace(tmp_path, CONFIGS, tuple(options))
    masked = Workspace(tmp_path, CONFIGS, tuple(with_masks))
    assert 'prepare_dataset.py clothing10' in missing_data(run, plain)
    photos.mkdir()
    assert missing_data(run, plain) == ''
    assert f'remove_background.py {photos} {masks}' in missing_data(removed, masked)
    (masks / 'u2net').mkdir(parents=True)
    assert missing_data(removed, masked) == ''


def test_missing_list_of_images(tmp_path: Path) -> None:
    """A training that leaves images out needs their list, and the command that writes it."""
    pytest.importorskip('mmpretrain')
    model = 'efficientnet-lite0'
    (run,) = select_runs(WORK, ['Open weights'], [], [model], ['rembg-sure'])
    photos, masks = tmp_path / 'photos', tmp_path / 'masks'
    photos.mkdir()
    (masks / 'u2net').mkdir(parents=True)
    file = masks / 'left_out.txt'
    options = (
        f'train_dataset.data_root={photos}',
        f'removal.mask_dir={masks}',
        f'train_dataloader.dataset.exclude={file}',
    )
    workspace = Workspace(tmp_path, CONFIGS, options)
    command = f'bgremoval sheet {masks} {photos} --leave-out {file}'
    assert missing_data(run, workspace) == f'no list of images to leave out in {file}: {command}'
    file.touch()
    assert missing_data(run, workspace) == ''


@pytest.mark.parametrize(
    ('option', 'expected'),
    [
        ('a.b=1', ('*', 'a.b=1')),
        ('vgg1?: a.b=1', ('vgg1?', 'a.b=1')),
        ('*_in1k-pre*:a=b:c=2', ('*_in1k-pre*', 'a=b:c=2')),
        ('model.url=https://x', ('*', 'model.url=https://x')),
        ('epochs', ('*', 'epochs')),
    ],
)
def test_networks_of_an_option(option: str, expected: tuple[str, str]) -> None:
    """What stands before a colon in the key is for which networks it is."""
    assert networks_of(option) == expected


def test_options_of_some_networks(tmp_path: Path) -> None:
    """In all variants of the networks of that name, the last one holding; no name is in vain."""
    options = ('train_cfg.max_epochs=9', 'vgg1[13]: train_cfg.max_epochs=3', 'vgg11bn: a=1')
    workspace = Workspace(tmp_path, CONFIGS, options)
    models = ['vgg11', 'vgg11bn', 'vgg16']
    found = {
        (run.experiment.model, run.variant): workspace.options_of(run)
        for run in select_runs(WORK, ['Fig. 5'], ['clothing10'], models)
    }
    for variant in ('original', 'rembg'):
        assert found['vgg11', variant] == ('train_cfg.max_epochs=9', 'train_cfg.max_epochs=3')
        assert found['vgg11bn', variant] == ('train_cfg.max_epochs=9', 'a=1')
        assert found['vgg16', variant] == ('train_cfg.max_epochs=9',)
    (run,) = select_runs(WORK, ['Fig. 5'], ['clothing10'], ['vgg11'], ['original'])
    misspelt = Workspace(tmp_path, CONFIGS, ('vgg-11: a=1',))
    with pytest.raises(
        ValueError, match=r"for networks of vgg11, .*, but got 'vgg-11' in 'vgg-11:"
    ):
        misspelt.options_of(run)


def test_masks_and_backgrounds_of_the_test(tmp_path: Path, tiny_model: Callable) -> None:
    """A training on photos as they are needs masks and a bank, too, if its test replaces them."""
    pytest.importorskip('mmpretrain')
    work = load_work('kobs2022')
    (run,) = select_runs(work, [], ['grocery-store'], ['triplet'], ['original'])
    (tmp_path / 'photos').mkdir()
    masks, bank = tmp_path / 'masks', tmp_path / 'bank.txt'
    options = (
        f'train_dataset.data_root={tmp_path / "photos"}',
        f'test_cfg.mask_dir={masks}',
        f'test_cfg.bank={bank}',
    )
    workspace = Workspace(tmp_path, CONFIGS, options)
    assert missing_data(run, workspace).startswith(f'no masks in {masks}: python tools/remove_back')
    others = Workspace(
        tmp_path, CONFIGS, (*options, 'removal.model=u2netp', 'removal.precision=bf16')
    )
    assert missing_data(run, others).endswith(f'{masks} --model u2netp --precision bf16')
    weights = find_weights(tiny_model('u2netp', 320))
    assert weights is not None
    file = Path(shutil.copy(weights, tmp_path / 'my net.onnx'))
    own = Workspace(tmp_path, CONFIGS, (*options, f'removal.model={file}'))
    assert missing_data(run, own).endswith(f"{masks} --model '{file}'")
    MaskStore(masks, file).folder.mkdir(parents=True)
    assert missing_data(run, own).startswith(f'no photos of backgrounds in {bank}: ')
    (masks / 'u2net').mkdir(parents=True)
    assert missing_data(run, workspace).startswith(f'no photos of backgrounds in {bank}: ')
    bank.touch()
    assert missing_data(run, workspace) == ''


def test_iterations_of_a_training() -> None:
    """By photos and batches, by a sampler that gives the length of an epoch, or as it says."""
    loader = {'batch_size': 32}
    sampled = loader | {'batch_sampler': {'type': 'MPerClassBatchSampler', 'iterations': 100}}
    for train_cfg, each, expected in (
        ({'max_epochs': 10}, loader, 40),
        ({'max_epochs': 10}, sampled, 1000),
        ({'max_iters': 7}, sampled, 7),
    ):
        config = Config({'train_cfg': train_cfg, 'train_dataloader': each})
        assert count_iterations(config, photos=100) == expected


def test_a_work_is_found_by_name() -> None:
    """A name that is none of the works', and of no module, is refused with the known ones."""
    assert load_work('liang2023') is WORK
    for name in ('liang', 'json', 'no.such.module', ''):
        said = rf'one of {", ".join(WORKS)}, or a module .*got {name!r}'
        with pytest.raises(ValueError, match=said):
            load_work(name)
    with pytest.raises(ValueError, match=r"called as its WORK\.name, 'liang2023'"):
        load_work('bgremoval_mm.experiments.papers.liang2023')
