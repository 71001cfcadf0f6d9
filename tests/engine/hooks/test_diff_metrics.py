"""DiffMetricsHook in real Runners, on metrics that the tests script."""

from __future__ import annotations

import copy
import itertools
import json
import logging
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import BaseVisBackend
from mmengine.visualization.vis_backend import VISBACKENDS

from bgremoval_mm.engine.hooks.baseline_run import BaselineRun
from bgremoval_mm.engine.hooks.diff_metrics import DiffMetricsHook
from bgremoval_mm.engine.work_dir import read_run


class _DiffToyDataset(torch.utils.data.Dataset):
    """Four points."""

    metainfo: ClassVar[dict[str, Any]] = {}

    def __init__(self, data_root: str = '') -> None:
        self.data_root = data_root

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((2,), float(index))


class _DiffToyModel(BaseModel):
    """One linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, *points: torch.Tensor, mode: str = 'tensor') -> Any:
        out = self.layer(torch.stack(points))
        return {'loss': out.square().mean()} if mode == 'loss' else list(out)


class _ScriptedMetric(BaseMetric):
    """Gives the next of a list of results at each evaluation."""

    def __init__(self, results: list[dict[str, float]]) -> None:
        super().__init__()
        self.script = iter(results)

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return dict(next(self.script))


class _StopAfter(Hook):
    """Stops training after an epoch's checkpoint, as a killed job would."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == self.epoch:
            raise KeyboardInterrupt


class _RecordingBackend(BaseVisBackend):
    """Keeps what any writer backend (TensorBoard, wandb) is given."""

    scalars: ClassVar[list[tuple[int, dict[str, float]]]] = []

    def _init_env(self) -> None:
        pass

    @property
    def experiment(self) -> _RecordingBackend:
        return self

    def add_scalars(self, scalar_dict: dict[str, float], step: int = 0, *_: Any, **__: Any) -> None:
        _RecordingBackend.scalars.append((step, dict(scalar_dict)))


@pytest.fixture(autouse=True)
def _toys() -> Any:
    """Enter the toys in the registries, and take them out again."""
    toys = [
        (DATASETS, _DiffToyDataset),
        (MODELS, _DiffToyModel),
        (METRICS, _ScriptedMetric),
        (HOOKS, _StopAfter),
        (VISBACKENDS, _RecordingBackend),
    ]
    for registry, toy in toys:
        registry.register_module(module=toy, force=True)
    _RecordingBackend.scalars = []
    yield
    for registry, toy in toys:
        registry.module_dict.pop(toy.__name__)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, in which every start of a Runner gets a timestamp of its own."""
    monkeypatch.chdir(tmp_path)
    # A Runner leaves its default scope behind, which would change how later tests find classes.
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    (tmp_path / 'configs').mkdir()
    seconds = itertools.count()
    clock = SimpleNamespace(
        time=time.time,
        localtime=time.localtime,
        strftime=lambda *_: f'20260101_{next(seconds):06d}',
    )
    monkeypatch.setattr('mmengine.runner.runner.time', clock)
    return tmp_path


Run = Callable[..., Runner]


@pytest.fixture
def run(project: Path) -> Run:
    """Train (and test) ``configs/<name>.py`` on scripted metrics."""

    def start(
        name: str,
        val: list[dict[str, float]] | None = None,
        test: dict[str, float] | None = None,
        hook: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Runner:
        config = project / 'configs' / f'{name}.py'
        config.write_text("custom_imports = dict(imports=['bgremoval_mm'])\n")
        cfg = Config.fromfile(config)
        loader = {
            'dataset': {'type': '_DiffToyDataset'},
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'batch_size': 2,
            'num_workers': 0,
        }
        cfg.merge_from_dict(
            {
                'model': {'type': '_DiffToyModel'},
                'work_dir': f'work_dirs/{name}',
                # Loggers and message hubs are kept by name: a name of its own for each start.
                'experiment_name': f'{name}{time.time_ns()}',
                'randomness': {'seed': 7},
                'visualizer': {
                    'type': 'Visualizer',
                    'vis_backends': [{'type': 'LocalVisBackend'}, {'type': '_RecordingBackend'}],
                },
                'custom_hooks': [{'type': 'DiffMetricsHook', **hook}] if hook is not None else [],
                'env_cfg': {'mp_cfg': {'opencv_num_threads': 1}},
            }
        )
        if val is not None:
            cfg.merge_from_dict(
                {
                    'train_dataloader': loader,
                    'train_cfg': {'by_epoch': True, 'max_epochs': len(val)},
                    'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.01}},
                    'val_dataloader': loader,
                    'val_cfg': {},
                    'val_evaluator': {'type': '_ScriptedMetric', 'results': val},
                }
            )
        if test is not None:
            cfg.merge_from_dict(
                {
                    'test_dataloader': loader,
                    'test_cfg': {},
                    'test_evaluator': {'type': '_ScriptedMetric', 'results': [test]},
                }
            )
        cfg.merge_from_dict(copy.deepcopy(changes))  # it takes `_delete_` out of what it is given
        runner = Runner.from_cfg(cfg)
        try:
            if val is not None:
                runner.train()
            if test is not None:
                runner.test()
        except KeyboardInterrupt:
            pass
        finally:
            for handler in runner.logger.handlers:
                handler.close()
        return runner

    return start


def top1(*values: float) -> list[dict[str, float]]:
    """Results with one metric in percent, one a validation."""
    return [{'accuracy/top1': value} for value in values]


def report(name: str = 'toy-rembg') -> dict[str, Any]:
    """The ``diff_metrics.json`` of a run."""
    return json.loads(Path('work_dirs', name, 'diff_metrics.json').read_text())


def log_of(runner: Runner) -> str:
    """The text log of a run."""
    return Path(runner.log_dir, f'{runner.timestamp}.log').read_text()


def logged(name: str = 'toy-rembg', key: str = 'diff/accuracy/top1') -> dict[int, float]:
    """Step to the value of a key in all ``scalars.json`` of a run."""
    found = {}
    for path in sorted(Path('work_dirs', name).glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if key in record:
                found[record['step']] = record[key]
    return found


def test_auto_compares_epoch_with_epoch_and_best_with_best(run: Run) -> None:
    """Both runs, found by name: the values of the log and of the report are those worked out."""
    run('toy', top1(40.0, 60.0, 50.0))
    runner = run('toy-rembg', top1(45.0, 55.0, 70.0), hook={})
    assert logged() == {1: 5.0, 2: -5.0, 3: 20.0}
    written = report()
    assert written['best'] == {
        'accuracy/top1': {
            'unit': 'percent',
            'original': 60.0,
            'rembg': 70.0,
            'diff': 10.0,
            'original_step': 2,
            'rembg_step': 3,
            'images': 4,
        }
    }
    last = written['last']['accuracy/top1']
    assert (last['original'], last['rembg'], last['diff']) == (50.0, 70.0, 20.0)
    assert (last['original_step'], last['rembg_step']) == (3, 3)
    about = written['runs']['train']
    assert (about['seed'], about['baseline_seed']) == (7, 7)
    assert about['step_unit'] == 'epoch'
    assert about['config'].endswith('toy-rembg.py')
    assert Path(about['baseline']).resolve() == Path('work_dirs/toy').resolve()
    log = log_of(runner)
    assert 'diff/accuracy/top1: 20.0000' in log
    assert '60 (epoch 2)' in log
    assert '70 (epoch 3)' in log
    assert 'One run each (original: seed 7, rembg: seed 7): ' in log
    assert 'WARNING - DiffMetricsHook' not in log
    assert 'equally long' not in log


def test_every_writer_gets_the_differences(run: Run) -> None:
    """A backend like TensorBoard's is given ``diff/`` beside the metric, at the same step."""
    run('toy', top1(40.0, 60.0))
    _RecordingBackend.scalars = []
    run('toy-rembg', top1(45.0, 55.0), hook={})
    given = {step: tags for step, tags in _RecordingBackend.scalars if 'accuracy/top1' in tags}
    assert {step: tags['diff/accuracy/top1'] for step, tags in given.items()} == {1: 5.0, 2: -5.0}


def test_tensorboard_files_hold_the_differences(run: Run) -> None:
    """The event file has the tag."""
    accumulator = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator', reason='tensorboard is missing'
    )
    run('toy', top1(40.0))
    backends = {'type': 'Visualizer', 'vis_backends': [{'type': 'TensorboardVisBackend'}]}
    runner = run('toy-rembg', top1(45.0), hook={}, visualizer=backends)
    events = accumulator.EventAccumulator(str(Path(runner.log_dir, 'vis_data')))
    events.Reload()
    assert [event.value for event in events.Scalars('diff/accuracy/top1')] == [5.0]


def test_metrics_are_not_touched(run: Run) -> None:
    """The dict that CheckpointHook and ``runner.val()`` see holds no difference."""
    seen = []

    class Spy(Hook):
        priority = 'LOWEST'

        def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
            seen.append(dict(metrics))

    HOOKS.register_module(name='DiffSpy', module=Spy, force=True)
    try:
        run('toy', top1(40.0))
        hooks = [{'type': 'DiffMetricsHook'}, {'type': 'DiffSpy'}]
        run('toy-rembg', top1(45.0), custom_hooks=hooks)
    finally:
        HOOKS.module_dict.pop('DiffSpy')
    assert seen == [{'accuracy/top1': 45.0}]


def test_epochs_without_baseline_value_log_nothing(run: Run) -> None:
    """With a baseline validated every second epoch, odd epochs have no (and no stale) value."""
    changes = {'train_cfg.val_interval': 2}
    run('toy', top1(40.0, 60.0), **changes, **{'train_cfg.max_epochs': 4})
    run('toy-rembg', top1(41.0, 42.0, 43.0, 64.0), hook={})
    assert logged() == {2: 2.0, 4: 4.0}


def test_numbers_of_images_with_some_metrics(run: Run) -> None:
    """How many queries there are is taken from a metric that is not compared."""
    results = {'retrieval/P@1': 50.0, 'retrieval/MAP@R': 40.0, 'retrieval/queries': 3.0}
    run('toy', [results], results)
    run('toy-rembg', [results], results, hook={'metrics': ['retrieval/P@1']})
    written = report()
    for section in ('best', 'last', 'test'):
        assert list(written[section]) == ['retrieval/P@1']
        assert written[section]['retrieval/P@1']['images'] == 3


def test_shorter_baseline_is_reported(run: Run) -> None:
    """Runs of different lengths: both last epochs are given, and a warning says so."""
    run('toy', top1(40.0, 60.0))
    runner = run('toy-rembg', top1(41.0, 42.0, 43.0), hook={})
    last = report()['last']['accuracy/top1']
    assert (last['original_step'], last['rembg_step'], last['diff']) == (2, 3, -17.0)
    assert 'have not run equally long' in log_of(runner)
    assert 'is of epoch 2, that of this run of epoch 3' in log_of(runner)


def test_loss_like_metrics_are_best_when_small(run: Run) -> None:
    """Lower is better for a loss, whose logged value mmengine averages in both runs alike."""
    run('toy', [{'val_loss': 4.0}, {'val_loss': 1.0}])
    run('toy-rembg', [{'val_loss': 2.0}, {'val_loss': 2.0}], hook={})
    best = report()['best']['val_loss']
    # mmengine's LogProcessor writes losses as the mean over its window: (4 + 1) / 2.
    assert (best['original'], best['original_step']) == (2.5, 2)
    assert (best['rembg'], best['rembg_step'], best['diff']) == (2.0, 1, -0.5)
    assert logged(key='diff/val_loss') == {1: -2.0, 2: -0.5}


def test_metric_of_unknown_direction_has_no_best(run: Run) -> None:
    """A name that does not tell which way is better appears under ``last`` only."""
    run('toy', [{'accuracy/top1': 1.0, 'score': 2.0}])
    run('toy-rembg', [{'accuracy/top1': 1.5, 'score': 3.0}], hook={})
    assert list(report()['best']) == ['accuracy/top1']
    assert report()['last']['score'] == {
        'unit': None,
        'original': 2.0,
        'rembg': 3.0,
        'diff': 1.0,
        'original_step': 1,
        'rembg_step': 1,
    }


def test_nan_and_coco_placeholder_are_no_values(run: Run) -> None:
    """NaN and COCO's -1 give no difference, are never best, and the file is strict JSON."""
    run('toy', [{'accuracy/top1': 40.0, 'coco/bbox_mAP_s': -1.0}] * 2)
    values = [{'accuracy/top1': 50.0, 'coco/bbox_mAP_s': -1.0}]
    values += [{'accuracy/top1': math.nan, 'coco/bbox_mAP_s': -1.0}]
    run('toy-rembg', values, hook={})
    text = Path('work_dirs/toy-rembg/diff_metrics.json').read_text()
    assert 'NaN' not in text
    written = json.loads(text)
    assert written['best']['accuracy/top1']['diff'] == 10.0
    assert 'coco/bbox_mAP_s' not in written['best']
    assert written['last']['accuracy/top1']['rembg'] is None
    assert written['last']['accuracy/top1']['diff'] is None
    assert logged() == {1: 10.0}
    assert logged(key='diff/coco/bbox_mAP_s') == {}


def test_validations_that_find_nothing(run: Run) -> None:
    """They have no difference, least of all that of the epoch before; if all are so, it is said."""
    run('toy', top1(40.0, 60.0, 50.0))
    runner = run('toy-rembg', [*top1(45.0), {}, *top1(70.0)], hook={})
    assert logged() == {1: 5.0, 3: 20.0}
    assert 'No difference' not in log_of(runner)
    runner = run('toy-rembg', [{}, {}], hook={}, work_dir='work_dirs/toy-rembg2')
    assert 'no validation of this run gave a metric (was nothing found?).' in log_of(runner)


def test_unlike_validations_are_told(run: Run) -> None:
    """A dataset that is another in one run: a warning before the training, and in the report."""
    run('toy', top1(40.0), **{'val_dataloader.dataset.data_root': 'data/a'})
    changes = {'val_dataloader.dataset.data_root': 'data/b'}
    runner = run('toy-rembg', top1(45.0), hook={}, **changes)
    sentence = 'its dataset has {"data_root": "data/a"}, that of this run {"data_root": "data/b"}'
    assert f'is not all that differs. Of the baseline, {sentence}.' in log_of(runner)
    assert report()['runs']['train']['unlike'] == [sentence]
    runner = run('toy-rembg', top1(45.0), hook={}, **dict.fromkeys(changes, 'data/a'))
    assert 'is not all that differs' not in log_of(runner)
    assert report()['runs']['train']['unlike'] == []


@pytest.mark.parametrize('text', ['{"runs": 3}', '[]', 'not JSON', '\udcff'])
def test_damaged_report_is_replaced(run: Run, text: str) -> None:
    """A training does not end on a torn or foreign report."""
    run('toy', top1(40.0))
    folder = Path('work_dirs/toy-rembg')
    folder.mkdir()
    (folder / 'diff_metrics.json').write_bytes(text.encode(errors='surrogateescape'))
    run('toy-rembg', top1(45.0), hook={})
    assert report()['best']['accuracy/top1']['diff'] == 5.0


def test_iterations_are_compared_with_iterations(run: Run) -> None:
    """In an iteration-based run the step is the iteration, if LoggerHook logs by iteration."""
    changes = {
        'train_cfg': {'_delete_': True, 'by_epoch': False, 'max_iters': 4, 'val_interval': 2},
        'default_hooks': {'logger': {'type': 'LoggerHook', 'log_metric_by_epoch': False}},
        'log_processor': {'by_epoch': False},
        'train_dataloader.sampler.type': 'InfiniteSampler',
    }
    run('toy', top1(40.0, 60.0), **changes)
    run('toy-rembg', top1(41.0, 62.0), hook={}, **changes)
    assert logged() == {2: 1.0, 4: 2.0}
    assert report()['runs']['train']['step_unit'] == 'iter'


def test_iterations_logged_by_epoch_are_refused(run: Run) -> None:
    """Validations that mmengine all files under step 0 are not compared but explained."""
    changes = {
        'train_cfg': {'_delete_': True, 'by_epoch': False, 'max_iters': 4, 'val_interval': 2},
        'train_dataloader.sampler.type': 'InfiniteSampler',
    }
    run('toy', top1(40.0, 60.0), **changes)
    runner = run('toy-rembg', top1(41.0, 62.0), hook={}, **changes)
    assert logged() == {}
    assert 'log_metric_by_epoch=False' in log_of(runner)


def test_resumed_run_keeps_its_earlier_validations(run: Run) -> None:
    """The best epoch may lie before the interruption, in either run."""
    stop = {'type': '_StopAfter', 'epoch': 2}
    run('toy', top1(40.0, 60.0, 50.0), custom_hooks=[stop])
    run('toy', top1(50.0), resume=True, **{'train_cfg.max_epochs': 3})
    hook = {'type': 'DiffMetricsHook'}
    run('toy-rembg', top1(90.0, 55.0, 50.0), custom_hooks=[hook, stop])
    assert not Path('work_dirs/toy-rembg/diff_metrics.json').exists()
    run('toy-rembg', top1(65.0), hook={}, resume=True, **{'train_cfg.max_epochs': 3})
    assert len(list(Path('work_dirs/toy-rembg').glob('2026*'))) == 2
    assert logged() == {1: 50.0, 2: -5.0, 3: 15.0}
    best = report()['best']['accuracy/top1']
    assert (best['original'], best['original_step']) == (60.0, 2)
    assert (best['rembg'], best['rembg_step']) == (90.0, 1)


def test_resumed_run_recalls_only_the_metrics_asked_for(run: Run) -> None:
    """``metrics`` holds for the validations from before the interruption too."""
    values = [{'accuracy/top1': 3.0, 'accuracy/top5': 4.0}] * 2
    run('toy', values)
    run('toy-rembg', values, custom_hooks=[{'type': '_StopAfter', 'epoch': 1}])
    changes = {'resume': True, 'train_cfg.max_epochs': 2}
    run('toy-rembg', values[:1], hook={'metrics': ['accuracy/top5']}, **changes)
    assert list(report()['best']) == ['accuracy/top5']


def test_new_training_in_an_old_work_dir_forgets_the_old_one(run: Run) -> None:
    """A run started again replaces the longer one that used the folder before."""
    run('toy', top1(90.0, 91.0, 92.0))
    run('toy', top1(40.0, 50.0))
    assert {
        step: each['accuracy/top1'] for step, each in read_run('work_dirs/toy').val.items()
    } == {
        1: 40.0,
        2: 50.0,
    }


def test_train_and_test_parts_are_kept_together(run: Run) -> None:
    """Testing later, in a process of its own, adds to the report and leaves the training part."""
    run('toy', top1(40.0), test={'accuracy/top1': 44.0})
    run('toy-rembg', top1(45.0), hook={})
    assert 'test' not in report()
    runner = run('toy-rembg', test={'accuracy/top1': 43.5}, hook={}, load_from=None)
    written = report()
    assert written['best']['accuracy/top1']['diff'] == 5.0
    assert written['test']['accuracy/top1'] == {
        'unit': 'percent',
        'original': 44.0,
        'rembg': 43.5,
        'diff': -0.5,
        'images': 4,
    }
    assert sorted(written['runs']) == ['test', 'train']
    # mmengine's own test file has the difference too, and it is not mistaken for a metric.
    results = json.loads(Path(runner.log_dir, f'{runner.timestamp}.json').read_text())
    assert results['diff/accuracy/top1'] == -0.5
    assert read_run('work_dirs/toy-rembg').test == {'accuracy/top1': 43.5}
    run('toy-rembg', top1(47.0), hook={})
    assert report()['best']['accuracy/top1']['diff'] == 7.0
    assert report()['test']['accuracy/top1']['diff'] == -0.5


def test_work_dir_given_by_hand_finds_its_sibling(run: Run) -> None:
    """With ``--work-dir out/seed0-rembg`` the run beside it is taken, not one in ``work_dirs``."""
    run('toy', top1(10.0))
    run('toy', top1(40.0), work_dir='out/seed0')
    run('toy-rembg', top1(45.0), hook={}, work_dir='out/seed0-rembg')
    written = json.loads(Path('out/seed0-rembg/diff_metrics.json').read_text())
    assert written['best']['accuracy/top1']['original'] == 40.0


@pytest.mark.parametrize('kind', ['work_dir', 'scalars', 'metrics', 'report', 'numbers'])
def test_every_kind_of_baseline(run: Run, kind: str) -> None:
    """A work_dir, its scalars, numbers in a file or in the config and a report give one answer."""
    run('toy', top1(40.0, 60.0))
    run('toy-rembg', top1(45.0, 55.0), hook={})
    Path('metrics.json').write_text('{"accuracy/top1": 60.0, "classes": [1, 2]}')
    scalars = next(Path('work_dirs/toy').glob('*/vis_data/scalars.json'))
    baseline = {
        'work_dir': 'work_dirs/toy',
        'scalars': str(scalars),
        'metrics': 'metrics.json',
        'report': 'work_dirs/toy-rembg/diff_metrics.json',
        'numbers': {'accuracy/top1': 60.0},
    }[kind]
    run('other', top1(50.0, 70.0), hook={'baseline': baseline, 'strict': True})
    best = report('other')['best']['accuracy/top1']
    assert (best['original'], best['rembg'], best['diff']) == (60.0, 70.0, 10.0)
    expected = {
        'work_dir': {1: 10.0, 2: 10.0},
        'scalars': {1: 10.0, 2: 10.0},
        'report': {},
        'metrics': {1: -10.0, 2: 10.0},
        'numbers': {1: -10.0, 2: 10.0},
    }
    assert logged('other') == expected[kind]


def test_only_the_metrics_asked_for(run: Run) -> None:
    """``metrics`` restricts what is logged and written."""
    run('toy', [{'accuracy/top1': 1.0, 'accuracy/top5': 2.0}])
    values = [{'accuracy/top1': 3.0, 'accuracy/top5': 3.0}]
    run('toy-rembg', values, hook={'metrics': ['accuracy/top5']})
    assert list(report()['last']) == ['accuracy/top5']
    assert logged() == {}
    assert logged(key='diff/accuracy/top5') == {1: 1.0}


def test_unknown_metric_fails_at_the_first_validation(run: Run) -> None:
    """A misspelt metric stops the run at once and lists what there is."""
    run('toy', top1(40.0, 40.0))
    with pytest.raises(ValueError, match=r"accuracy/top2.*gives \['accuracy/top1'\]"):
        run('toy-rembg', top1(1.0, 2.0), hook={'metrics': ['accuracy/top2']})
    assert list(read_run('work_dirs/toy-rembg').val) == []


def test_missing_baseline_is_one_warning_with_the_command(run: Run, project: Path) -> None:
    """The warning names the places and the config; training goes on and nothing is written."""
    (project / 'configs' / 'toy.py').touch()
    runner = run('toy-rembg', top1(45.0, 50.0), hook={})
    warnings = [line for line in log_of(runner).splitlines() if 'DiffMetricsHook found' in line]
    assert len(warnings) == 1
    assert 'work_dirs/toy)' in warnings[0]
    assert 'Make it with: python tools/train.py configs/toy.py\n' in log_of(runner)
    assert not Path('work_dirs/toy-rembg/diff_metrics.json').exists()


def test_strict_fails_before_training(run: Run) -> None:
    """With ``strict`` a missing baseline is an error before the first iteration."""
    with pytest.raises(FileNotFoundError, match=r'found no run of the baseline'):
        run('toy-rembg', top1(45.0), hook={'strict': True})
    assert list(Path('work_dirs/toy-rembg').glob('*.pth')) == []
    with pytest.raises(FileNotFoundError, match=r'no baseline at nowhere'):
        run('toy-rembg', top1(45.0), hook={'strict': True, 'baseline': 'nowhere'})


def test_strict_fails_before_testing(run: Run, project: Path) -> None:
    """A baseline that was never tested is named with the command that tests it."""
    run('toy', top1(40.0))
    with pytest.raises(FileNotFoundError) as info:
        run('toy-rembg', test={'accuracy/top1': 1.0}, hook={'strict': True})
    expected = 'tools/test.py configs/toy.py work_dirs/toy/epoch_1.pth --work-dir work_dirs/toy'
    assert expected in str(info.value)


def test_strict_asks_for_every_metric(run: Run) -> None:
    """A metric that only this run has is an error with ``strict`` when it is asked for."""
    run('toy', top1(40.0))
    with pytest.raises(FileNotFoundError, match=r"no train value of \['accuracy/top5'\]; it has"):
        run('toy-rembg', top1(1.0), hook={'strict': True, 'metrics': ['accuracy/top5']})


def test_baseline_that_appears_later_is_taken(run: Run, project: Path) -> None:
    """Two runs trained side by side: the baseline is read again at each validation."""

    class Appear(Hook):
        def before_train_epoch(self, runner: Runner) -> None:
            if runner.epoch == 1:
                folder = project / 'work_dirs/toy/20250101_000000/vis_data'
                folder.mkdir(parents=True)
                lines = ['{"accuracy/top1": 40.0, "step": 2}', '{"accuracy/top1": 4']
                (folder / 'scalars.json').write_text('\n'.join(lines))

    HOOKS.register_module(name='DiffAppear', module=Appear, force=True)
    try:
        hooks = [{'type': 'DiffMetricsHook'}, {'type': 'DiffAppear'}]
        run('toy-rembg', top1(45.0, 50.0), custom_hooks=hooks)
    finally:
        HOOKS.module_dict.pop('DiffAppear')
    assert logged() == {2: 10.0}


def test_original_arm_has_nothing_to_compare(run: Run) -> None:
    """In a run that is not ``-rembg`` the hook says so once and is silent, even if strict."""
    runner = run('toy', top1(40.0), test={'accuracy/top1': 1.0}, hook={'strict': True})
    assert log_of(runner).count('no baseline to compare with') == 1
    assert not Path('work_dirs/toy/diff_metrics.json').exists()


def test_own_work_dir_is_no_baseline(run: Run) -> None:
    """Comparing a run with itself is refused."""
    with pytest.raises(ValueError, match='is the work_dir of this run itself'):
        run('toy-rembg', top1(40.0), hook={'baseline': 'work_dirs/toy-rembg'})


@pytest.mark.parametrize(
    'content', ['', '{"loss": 0.7, "epoch": 1, "iter": 10, "step": 10}\n' * 2, '{"loss": 0.7, "ep']
)
def test_log_of_a_baseline_that_has_just_begun(run: Run, tmp_path: Path, content: str) -> None:
    """Two runs side by side: its log is one, although there is nothing to compare with yet."""
    (tmp_path / 'scalars.json').write_text(content)
    runner = run('toy-rembg', top1(40.0), hook={'baseline': str(tmp_path / 'scalars.json')})
    assert 'scalars.json and this train have no metric in common' in log_of(runner)


def test_file_that_is_no_baseline(run: Run) -> None:
    """A file of something else is refused whether strict or not."""
    Path('notes.txt').write_text('hello')
    with pytest.raises(ValueError, match=r'notes.txt must be a work_dir, a scalars.json'):
        run('toy-rembg', top1(40.0), hook={'baseline': 'notes.txt'})


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        ({'baseline': 3}, TypeError, "`baseline` must be 'auto'"),
        ({'baseline': {'a': 'b'}}, ValueError, 'must map metric names to numbers'),
        ({'baseline': {}}, ValueError, 'must map metric names to numbers'),
        ({'metrics': 3}, TypeError, '`metrics` must be None or a list'),
        ({'metrics': [3]}, TypeError, '`metrics` must be None or a list'),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """Arguments are checked when the hook is made."""
    with pytest.raises(error, match=message):
        DiffMetricsHook(**arguments)


def test_registry_builds_the_hook_under_any_scope() -> None:
    """The short name works in the root registry and gives the class."""
    assert isinstance(HOOKS.build({'type': 'DiffMetricsHook'}), DiffMetricsHook)
    assert HOOKS.get('DiffMetricsHook') is DiffMetricsHook
    hook = HOOKS.build({'type': 'DiffMetricsHook', 'metrics': ['mIoU'], 'strict': True})
    assert isinstance(hook, DiffMetricsHook)
    assert (hook.metrics, hook.strict) == (['mIoU'], True)


def test_command_names_a_work_dir_given_by_hand(project: Path) -> None:
    """The command that makes the baseline writes to where it is looked for."""
    (project / 'configs' / 'x.py').touch()
    problem = BaselineRun('auto', 'configs/x-rembg.py', 'out/a-rembg').problem('train')
    assert problem is not None
    assert 'python tools/train.py configs/x.py --work-dir out/a' in problem


def test_only_the_main_process_writes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is not the main one reads, logs and writes nothing."""
    run('toy', top1(40.0))
    monkeypatch.setattr('bgremoval_mm.engine.hooks.diff_metrics.is_main_process', lambda: False)
    run('toy-rembg', top1(45.0), hook={})
    assert logged() == {}
    assert not Path('work_dirs/toy-rembg/diff_metrics.json').exists()


@pytest.mark.slow
def test_all_processes_stop_on_what_the_main_one_finds(project: Path) -> None:
    """With ``strict``, a rank that sees a baseline stops too if the main process sees none."""
    script = project / 'two.py'
    script.write_text(
        """
import os, logging
from pathlib import Path
from types import SimpleNamespace
import torch.distributed
from mmengine.config import Config
from bgremoval_mm.engine.hooks import DiffMetricsHook
torch.distributed.init_process_group('gloo')
rank = torch.distributed.get_rank()
work_dir = Path(f'rank{rank}/work_dirs/x-rembg').absolute()
if rank == 1:
    (work_dir.with_name('x') / '20260101_000000').mkdir(parents=True)
    results = work_dir.with_name('x') / '20260101_000000' / '20260101_000000.json'
    results.write_text('{"mIoU": 1.0}')
runner = SimpleNamespace(
    cfg=Config(), work_dir=work_dir, logger=logging.getLogger(),
    model=None, test_loop=None)
try:
    DiffMetricsHook(strict=True).before_test(runner)
except FileNotFoundError as err:
    Path(f'stopped{rank}').write_text(str(err))
# Without a common end gloo's threads may still run when the interpreter is gone, which aborts it.
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""
    )
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, 'PYTHONPATH': str(root), 'OMP_NUM_THREADS': '1'}
    launch = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    subprocess.run([*launch, str(script)], env=environment, check=True, timeout=120)
    messages = [(project / f'stopped{rank}').read_text() for rank in (0, 1)]
    assert messages[0] == messages[1]
    assert 'rank0/work_dirs/x' in messages[0]


def test_real_runs_read_back(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """What mmengine writes is what ``read_run`` finds: no times, no losses of training."""
    caplog.set_level(logging.ERROR)
    run('toy', top1(40.0, 60.0), test={'accuracy/top1': 50.0, 'classes': [1.0, 2.0]})
    history = read_run('work_dirs/toy')
    assert history.val == {1: {'accuracy/top1': 40.0}, 2: {'accuracy/top1': 60.0}}
    assert history.test == {'accuracy/top1': 50.0}
    assert (history.stepless, history.damaged) == (0, 0)
