"""Only tests that were made alike are compared: TTA, number of images, dataset, pipeline."""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from mmcv.transforms import Resize
from mmengine.config import Config
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, BaseTTAModel
from mmengine.registry import DATASETS, METRICS, MODELS, DefaultScope
from mmengine.runner import Runner

from bgremoval_mm import RemoveBackground
from bgremoval_mm.engine.hooks.baseline import load_baseline
from bgremoval_mm.engine.hooks.conditions import (
    FILE_NAME,
    Conditions,
    _of_config,
    read_conditions,
    removals,
    unlike,
)
from bgremoval_mm.engine.pairs import baseline_name


class _Points(torch.utils.data.Dataset):
    """A few points."""

    metainfo: ClassVar[dict[str, Any]] = {}

    def __init__(self, number: int = 4, **_: Any) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((2,), float(index))


class _Plain(BaseModel):
    """A model of one layer."""

    def __init__(self, data_preprocessor: Any = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, *points: torch.Tensor, mode: str = 'tensor') -> Any:
        return list(self.layer(torch.stack(points)))


class _Averaged(BaseTTAModel):
    """What a stock tool puts around the model for ``--tta``."""

    def test_step(self, data: Any) -> Any:
        return self.module.test_step(data)

    def merge_preds(self, data_samples_list: list[Any]) -> Any:
        return data_samples_list


class _Given(BaseMetric):
    """Gives the results that it is made with."""

    def __init__(self, results: dict[str, float]) -> None:
        super().__init__()
        self.given = results

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return dict(self.given)


@pytest.fixture(autouse=True)
def _toys() -> Iterator[None]:
    """Enter the toys in the registries, and take them out again."""
    toys = [(DATASETS, _Points), (MODELS, _Plain), (MODELS, _Averaged), (METRICS, _Given)]
    for registry, toy in toys:
        registry.register_module(module=toy, force=True)
    yield
    for registry, toy in toys:
        registry.module_dict.pop(toy.__name__)


Test = Callable[..., str]


@pytest.fixture
def test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Test:
    """Test ``configs/<name>.py`` as a stock tool does; returns the log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs/toy.py').touch()
    seconds = itertools.count()
    clock = SimpleNamespace(
        time=time.time,
        localtime=time.localtime,
        strftime=lambda *_: f'20260101_{next(seconds):06d}',
    )
    monkeypatch.setattr('mmengine.runner.runner.time', clock)

    def start(
        name: str, tta: bool = False, hook: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        config = tmp_path / 'configs' / f'{name}.py'
        config.write_text("custom_imports = dict(imports=['bgremoval_mm'])\n")
        cfg = Config.fromfile(config)
        score = changes.pop('score', 50.0)
        cfg.merge_from_dict(
            {
                'model': {'type': '_Plain'},
                'work_dir': f'work_dirs/{name}',
                'experiment_name': f'{name}{time.time_ns()}',
                'visualizer': {'type': 'Visualizer', 'vis_backends': [{'type': 'LocalVisBackend'}]},
                'test_dataloader': {
                    'dataset': {'type': '_Points', 'pipeline': [{'type': 'Resize', 'scale': 8}]},
                    'sampler': {'type': 'DefaultSampler', 'shuffle': False},
                    'batch_size': 2,
                    'num_workers': 0,
                },
                'test_cfg': {},
                'test_evaluator': {
                    'type': '_Given',
                    'results': {} if score is None else {'accuracy/top1': score},
                },
            }
        )
        if name.endswith('-rembg') or hook is not None:
            cfg.custom_hooks = [{'type': 'DiffMetricsHook', **(hook or {})}]
        cfg.merge_from_dict(copy.deepcopy(changes))
        if tta:
            cfg.model = {'type': '_Averaged', 'module': cfg.model}
        runner = Runner.from_cfg(cfg)
        runner.test()
        for handler in runner.logger.handlers:
            handler.close()
        return Path(runner.log_dir, f'{runner.timestamp}.log').read_text()

    return start


def report() -> dict[str, Any]:
    """The ``diff_metrics.json`` of the removed run; empty if there is none."""
    path = Path('work_dirs/toy-rembg/diff_metrics.json')
    return json.loads(path.read_text()) if path.exists() else {}


def start_of(name: str) -> Path:
    """The folder of a run's last start."""
    return sorted(Path('work_dirs', name).glob('2026*'))[-1]


def test_tta_is_not_compared_with_none(test: Test) -> None:
    """A sentence stands in the table's place, and the hint has ``--tta``."""
    test('toy', score=40.0)
    log = test('toy-rembg', tta=True)
    assert 'No difference to the baseline: of work_dirs/toy, it was tested without TTA' in log
    assert 'this run with.' in log
    assert 'configs/toy.py work_dirs/toy/LAST.pth --work-dir work_dirs/toy --tta\n' in log
    assert 'diff/accuracy' not in log
    assert report() == {}
    assert json.loads((start_of('toy-rembg') / FILE_NAME).read_text())['tta'] is True


def test_no_tta_is_not_compared_with_tta(test: Test) -> None:
    """The other way round, the hint has none."""
    test('toy', tta=True, score=40.0)
    log = test('toy-rembg')
    assert 'it was tested with TTA, this run without' in log
    assert 'work_dirs/toy/LAST.pth --work-dir work_dirs/toy\n' in log
    assert report() == {}


def test_each_test_finds_its_like(test: Test) -> None:
    """With both there, the newest of the same kind is taken, whichever is newer."""
    test('toy', tta=True, score=44.0)
    test('toy', score=40.0)
    log = test('toy-rembg')
    assert 'diff/accuracy/top1: 10.0' in log
    assert report()['test']['accuracy/top1']['original'] == 40.0
    assert report()['runs']['test']['tta'] is False
    log = test('toy-rembg', tta=True)
    assert 'diff/accuracy/top1: 6.0' in log
    assert report()['test']['accuracy/top1']['original'] == 44.0
    about = report()['runs']['test']
    # Of a dataset without a pipeline it is not known what it removes.
    assert (about['tta'], about['images'], about['removal']) == (True, 4, None)
    assert Path(about['baseline_test']).parent.name == '20260101_000000'


def test_missing_baseline_of_a_test_with_tta(test: Test) -> None:
    """A baseline without any test: the hint has ``--tta``, and the end says why there is none."""
    folder = Path('work_dirs/toy/20250101_000000/vis_data')
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('{"accuracy/top1": 40.0, "step": 1}\n')
    log = test('toy-rembg', tta=True)
    assert 'is not compared: of work_dirs/toy, it has no test results.' in log
    assert '--work-dir work_dirs/toy --tta' in log
    assert 'No difference to the baseline: of work_dirs/toy, it has no test results.' in log


def test_strict_refuses_unlike_tests(test: Test) -> None:
    """Before anything is tested."""
    test('toy')
    with pytest.raises(FileNotFoundError, match='it was tested without TTA, this run with'):
        test('toy-rembg', tta=True, hook={'strict': True})


def test_other_number_of_images(test: Test) -> None:
    """Known where the baseline was tested by this package, too."""
    test('toy', hook={}, **{'test_dataloader.dataset.number': 6})
    log = test('toy-rembg', hook={'baseline': 'work_dirs/toy'})
    assert 'it was tested on 6 images, this run on 4' in log
    assert 'work-dir work_dirs/toy, with the test set and pipeline of this run: by the same' in log
    assert report() == {}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'data_root': 'data/b'}, r'its dataset has {}, that of this run {"data_root": "dat'),
        (
            {'pipeline': [{'type': 'Resize', 'scale': 16}]},
            'its pipeline has {"scale": 8, "type": "Resize"}, that of this run {"scale": 16, ',
        ),
    ],
)
def test_other_dataset_or_pipeline(test: Test, change: dict[str, Any], message: str) -> None:
    """Known of a stock test by its dumped config; who names the baseline decides himself."""
    test('toy', score=40.0)
    changes = {f'test_dataloader.dataset.{key}': value for key, value in change.items()}
    log = test('toy-rembg', **changes)
    assert message in log
    assert report() == {}
    test('toy-rembg', hook={'baseline': 'work_dirs/toy'}, **changes)
    assert report()['test']['accuracy/top1']['diff'] == 10.0


RESIZE = {'type': 'mmpretrain.Resize', 'scale': 8}


@pytest.mark.parametrize('steps', [
    [{'type': 'bgremoval_mm.RemoveBackground'}, RESIZE],
    [{'type': 'ReplaceBackground', 'bank': 'bank'}, RESIZE],
    [{'type': 'ChangeBackground', 'condition': 'blurred'}, RESIZE],
    [{'type': 'bgremoval_mm.LoadForegroundMask'}, {'type': 'RemoveBackground'}, RESIZE],
    [{'type': 'LoadForegroundMask', 'transforms': [RESIZE]}, {'type': 'RemoveBackground'}],
], ids=lambda steps: steps[0]['type'])  # fmt: skip
def test_removal_is_no_difference(test: Test, steps: list[dict[str, Any]]) -> None:
    """The wrapper, the loader and steps of backgrounds and masks are what the runs differ in."""
    test('toy', **{'test_dataloader.dataset.data_root': 'data'})
    inner = {'type': '_Points', 'data_root': 'data', 'pipeline': [{'type': 'Other'}]}
    start = Path('work_dirs/other/20260101_000000/vis_data')
    start.mkdir(parents=True)
    dataset = {
        'type': 'RembgDataset',
        'mask_dir': 'masks',
        'pipeline': [
            {'type': 'LoadImageFromFile'},
            *steps,
        ],
        'dataset': {'type': 'RepeatDataset', 'dataset': inner},
    }
    Config({'model': {'type': '_Plain'}, 'test_dataloader': {'dataset': dataset}}).dump(
        start / 'config.py'
    )
    assert unlike(read_conditions(start_of('toy')), read_conditions(start.parent)) == {}
    assert read_conditions(start.parent).tta is False


def test_numbers_say_whether_they_are_of_tta(test: Test) -> None:
    """Of numbers in the config or a file, `tta` among them decides."""
    numbers = {'accuracy/top1': 40.0}
    log = test('toy-rembg', tta=True, hook={'baseline': numbers})
    assert 'of numbers in the config, it was tested without TTA' in log
    assert '"tta": true' in log
    assert report() == {}
    test('toy-rembg', tta=True, hook={'baseline': {**numbers, 'tta': True}})
    assert report()['test']['accuracy/top1']['diff'] == 10.0
    Path('tta.json').write_text(json.dumps({**numbers, 'tta': True}))
    log = test('toy-rembg', hook={'baseline': 'tta.json'})
    assert 'it was tested with TTA, this run without' in log
    # What a report has on its own test holds for its original side.
    told = load_baseline('work_dirs/toy-rembg/diff_metrics.json').tests[0]
    assert (told.conditions.tta, told.conditions.images) == (True, 4)


def test_nothing_found_is_said(test: Test) -> None:
    """A test without a metric, as mmdet's are that find nothing: in either run, a sentence."""
    test('toy', score=40.0)
    log = test('toy-rembg', score=None)
    assert 'No difference to the baseline: this test gave no metric (was nothing found?).' in log
    assert report() == {}
    Path('work_dirs/toy').rename('work_dirs/before')
    test('toy', score=None)
    log = test('toy-rembg')
    assert 'No difference to the baseline: of work_dirs/toy, its test gave no metric' in log
    log = test('toy', score=None, hook={})
    assert 'No difference' not in log  # a baseline has nothing to be compared with


def test_damaged_records_are_not_known(tmp_path: Path) -> None:
    """A torn file, something else, a config that is no Python: nothing is known, nothing ends."""
    for text in ('{"tta": tr', '[]'):
        (tmp_path / FILE_NAME).write_text(text)
        assert read_conditions(tmp_path) == Conditions()
    (tmp_path / 'vis_data').mkdir()
    (tmp_path / 'vis_data/config.py').write_text('model = dict(')
    assert read_conditions(tmp_path) == Conditions()


def test_removal_is_recorded(tiny_model: Callable[[str], None]) -> None:
    """Model, precision, fill and threshold of what stands in the pipelines, once a way."""
    tiny_model('u2netp')
    step = RemoveBackground('u2netp', fill=200, threshold=0.5)
    photos = BaseDataset(pipeline=[step], lazy_init=True)
    joined = ConcatDataset([photos, BaseDataset(pipeline=[step], lazy_init=True)], lazy_init=True)
    (removal,) = removals(joined) or ()
    expected = {'model': 'u2netp', 'precision': 'fp32', 'fill': 200, 'threshold': 0.5}
    assert {key: removal[key] for key in expected} == expected
    assert removals(BaseDataset(lazy_init=True)) == ()
    sometimes = {'type': 'RandomApply', 'transforms': [step], 'prob': 0.5}
    assert removals(BaseDataset(pipeline=[sometimes], lazy_init=True)) == (removal,)


def test_other_fold() -> None:
    """A wrapper's choice of images is the dataset's; where the removal stands is not."""

    def conditions(dataset: dict[str, Any]) -> Conditions:
        return _of_config(Config({'test_dataloader': {'dataset': dataset}}))

    photos = {'type': 'CustomDataset', 'data_root': 'photos'}
    removed = {'type': 'RembgDataset', 'mask_dir': 'masks'}
    fold = {'type': 'KFoldDataset', 'num_splits': 5, 'test_mode': True}
    original = conditions({**fold, 'fold': 1, 'dataset': photos})
    inside = {**fold, 'dataset': {**removed, 'dataset': photos}}
    assert unlike(original, conditions({**inside, 'fold': 1})) == {}
    outside = {**removed, 'dataset': {**fold, 'fold': 1, 'dataset': photos}}
    assert unlike(original, conditions(outside)) == {}
    found = unlike(original, conditions({**inside, 'fold': 2}))
    assert found == {
        'datasets': 'its dataset has {"fold": 1, "num_splits": 5}, '
        'that of this run {"fold": 2, "num_splits": 5}'
    }


def test_photos_that_are_left_out() -> None:
    """A difference of both runs' photos, whichever wrapper of ours leaves them out."""

    def conditions(dataset: dict[str, Any]) -> Conditions:
        return _of_config(Config({'test_dataloader': {'dataset': dataset}}))

    photos = {'type': 'CustomDataset', 'data_root': 'photos'}
    removed = {'type': 'RembgDataset', 'mask_dir': 'masks', 'dataset': photos}
    original = {**removed, 'prob': 0.0}
    assert unlike(conditions(original), conditions(removed)) == {}
    assert unlike(conditions(photos), conditions({**removed, 'exclude': 'bad.txt'})) == {
        'datasets': 'its dataset has {"data_root": "photos"}, '
        'that of this run {"exclude": "bad.txt"}'
    }
    both = [conditions({**each, 'exclude': 'bad.txt'}) for each in (original, removed)]
    assert unlike(*both) == {}
    other = conditions({**original, 'exclude': 'worse.txt'})
    assert list(unlike(other, both[1])) == ['datasets']


def test_other_backgrounds_and_another_attention() -> None:
    """Scores on other backgrounds, or of other photos, are no difference of the removal."""

    def conditions(**arguments: Any) -> Conditions:
        loop, hook = {'type': 'BackgroundTestLoop'}, {'type': 'bgremoval_mm.AttentionScoreHook'}
        bank = {'bank': arguments.pop('bank', 'b.txt'), 'repeats': arguments.pop('repeats', 5)}
        return _of_config(
            {
                'test_cfg': {**loop, **bank},
                'custom_hooks': [{'type': 'EMAHook'}, {**hook, **arguments}],
            }
        )

    plain = conditions()
    assert unlike(plain, conditions(samples=25, mask_dir='here', at_once=5)) == {}
    assert unlike(plain, _of_config({'test_cfg': {}})) == {}
    found = unlike(plain, conditions(bank='a.txt', photos=100))
    assert list(found) == ['replaced', 'attention']
    assert found['replaced'].startswith(
        'its BackgroundTestLoop has {"bank": "b.txt", "repeats": 5}'
    )
    assert '"photos": 100' in found['attention']
    assert 'that of this run' in unlike(plain, conditions(repeats=2))['replaced']


def test_steps_given_as_classes() -> None:
    """A config in Python's own style has the same steps as one of names."""
    runs = [
        {'test_dataloader': {'dataset': {'pipeline': [
            {'type': removal}, {'type': resize, 'scale': 8}]}}}
        for removal, resize in ((RemoveBackground, Resize), ('RemoveBackground', 'Resize'))
    ]  # fmt: skip
    assert _of_config(runs[0]).pipeline == _of_config(runs[1]).pipeline != ()


@pytest.mark.parametrize('loader', ['test_dataloader', 'val_dataloader'])
def test_pairs_of_configs_are_alike(loader: str) -> None:
    """No pair that is shipped would be refused: its runs differ in the removal only."""
    configs = Path(__file__).resolve().parents[3] / 'configs'
    pairs = {}
    for rembg in sorted(configs.glob('[!_]*/*/*-rembg*.py')):
        original = rembg.with_name(f'{baseline_name(rembg.stem)}.py')
        # One of each folder and dataset: to read all takes half a minute.
        dataset = original.stem.split('_')[-1]
        if original.is_file():
            pairs.setdefault((rembg.parent, dataset), (original, rembg))
    assert len(pairs) > 5
    for original, rembg in pairs.values():
        runs = [_of_config(Config.fromfile(each), loader) for each in (original, rembg)]
        assert runs[0].datasets is not None
        assert runs[0].pipeline is not None
        assert unlike(*runs) == {}, rembg
