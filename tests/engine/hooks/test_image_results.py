"""DiffMetricsHook on tests with per-image results: intervals, numbers of images, seeds."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.runner import Runner

from bgremoval_mm.engine.comparison import MetricDifference, Score
from bgremoval_mm.engine.hooks.conditions import seed_of_training
from bgremoval_mm.engine.hooks.image_results import (
    collect_per_image,
    count_images,
    intervals,
    per_image_file,
    with_images,
)
from bgremoval_mm.evaluation.metrics.per_image import read_per_image, write_per_image
from bgremoval_mm.evaluation.statistics import Estimate, accuracy_difference

pytest.importorskip('mmpretrain')

LABELS = np.array([0] * 12 + [1] * 8)


class _Photos(torch.utils.data.Dataset):
    """Twenty photos of two classes."""

    metainfo: ClassVar[dict[str, Any]] = {'classes': ('hat', 'bag')}
    data_root = 'data'

    def __init__(self, metainfo: dict[str, Any] | None = None) -> None:
        self.names, self.pipeline = (metainfo or {}).get('names', ''), []

    def __len__(self) -> int:
        return len(LABELS)

    def get_gt_labels(self) -> np.ndarray:
        return LABELS

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {'index': index, 'path': f'data/{self.names}{index:02}.jpg'}


class _Knows(BaseModel):
    """A model that gets the photos right that it is told."""

    def __init__(self, right: list[int]) -> None:
        super().__init__()
        self.right = right
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, index: list[int], path: list[str], mode: str = 'tensor') -> Any:
        samples = []
        for i, name in zip(index, path, strict=True):
            label = int(LABELS[i])
            scores = torch.nn.functional.one_hot(
                torch.tensor(label if i in self.right else 1 - label), 2
            ).float()
            sample = {'img_path': name, 'gt_label': torch.tensor([label]), 'pred_score': scores}
            samples.append(sample)
        return samples


@pytest.fixture(autouse=True)
def _toys() -> Iterator[None]:
    """Enter the toys in the registries, and take them out again."""
    toys = [(DATASETS, _Photos), (MODELS, _Knows)]
    for registry, toy in toys:
        registry.register_module(module=toy, force=True)
    yield
    for registry, toy in toys:
        registry.module_dict.pop(toy.__name__)


@pytest.fixture
def test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Runner]:
    """Test ``configs/<name>.py`` on a model that gets some photos right."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    seconds = itertools.count()
    clock = SimpleNamespace(
        time=time.time,
        localtime=time.localtime,
        strftime=lambda *_: f'20260101_{next(seconds):06d}',
    )
    monkeypatch.setattr('mmengine.runner.runner.time', clock)

    def start(name: str, right: range, names: str = '') -> Runner:
        config = tmp_path / f'{name}.py'
        config.write_text("custom_imports = dict(imports=['bgremoval_mm'])\n")
        cfg = Config.fromfile(config)
        cfg.merge_from_dict(
            {
                'model': {'type': '_Knows', 'right': list(right)},
                'default_scope': 'mmpretrain',
                'work_dir': f'work_dirs/{name}',
                'experiment_name': f'{name}{time.time_ns()}',
                'visualizer': {'type': 'Visualizer', 'vis_backends': [{'type': 'LocalVisBackend'}]},
                'test_dataloader': {
                    'dataset': {'type': '_Photos', 'metainfo': {'names': names}},
                    'sampler': {'type': 'DefaultSampler', 'shuffle': False},
                    'batch_size': 8,
                    'num_workers': 0,
                },
                'test_cfg': {},
                'test_evaluator': [
                    {'type': 'Accuracy', 'topk': (1,)},
                    {'type': 'ClasswiseAccuracy'},
                ],
                'env_cfg': {'mp_cfg': {'opencv_num_threads': 1}},
            }
        )
        if name.endswith('-rembg'):
            cfg.custom_hooks = [{'type': 'DiffMetricsHook'}]
        runner = Runner.from_cfg(cfg)
        if not name.endswith('-rembg'):
            collect_per_image(runner)  # as tools/test.py does
            collect_per_image(runner)  # once is enough
        runner.test()
        for handler in runner.logger.handlers:
            handler.close()
        return runner

    return start


def written() -> dict[str, Any]:
    """The part on the test in ``diff_metrics.json``."""
    return json.loads(Path('work_dirs/toy-rembg/diff_metrics.json').read_text())['test']


def test_interval_of_a_test(test: Callable[..., Runner]) -> None:
    """Both tests leave per-image results; the interval is the paired bootstrap's of these."""
    runner = test('toy', range(5, 12))
    assert len(runner.test_evaluator.metrics) == 3
    results = read_per_image(Path(runner.log_dir) / 'evidence.npz')
    assert results['names'].tolist() == [f'{i:02}.jpg' for i in range(20)]
    runner = test('toy-rembg', range(3, 14))
    first, second = (np.isin(np.arange(20), list(r))[None] for r in (range(5, 12), range(3, 14)))
    expected = accuracy_difference(first, second)
    found = written()['accuracy/top1']
    assert (found['original'], found['rembg'], found['images']) == (35.0, 55.0, 20)
    assert found['diff'] == pytest.approx(20)
    assert found['interval_95_over_images'] == pytest.approx([expected.low, expected.high])
    bags = written()['accuracy/class/bag']
    assert (bags['images'], bags['diff']) == (8, 25.0)
    assert bags['interval_95_over_images'][0] < 25 < bags['interval_95_over_images'][1]
    log = Path(runner.log_dir, f'{runner.timestamp}.log').read_text()
    assert '95 % over images' in log
    assert '+20 pp' in log
    assert 'The prefix is not set in metric class PerImage' not in log


def test_no_interval_of_other_images(test: Callable[..., Runner]) -> None:
    """Photos of other names are not paired; the difference stays."""
    test('toy', range(5), names='old')
    test('toy-rembg', range(9))
    found = written()['accuracy/top1']
    assert found['diff'] == pytest.approx(20)
    assert 'interval_95_over_images' not in found
    assert found['images'] == 20


def classified(folder: Path, right: range) -> Path:
    """Write per-image results."""
    predictions = np.where(np.isin(np.arange(20), list(right)), LABELS, 1 - LABELS)
    file = folder / 'evidence.npz'
    write_per_image(
        file,
        names=np.array([str(i) for i in range(20)]),
        labels=LABELS,
        predictions=predictions,
        classes=np.array(['hat', 'bag']),
    )
    return file


def test_results_of_a_reproduced_run(tmp_path: Path) -> None:
    """They lie above the folder of the start; those of another test are not taken."""
    classified(tmp_path / 'X', range(8))
    mine = classified(tmp_path / 'X-rembg', range(10))
    test = str(tmp_path / 'X/20260101_000000/20260101_000000.json')
    original, values = {'accuracy/top1': 40.0}, {'accuracy/top1': 50.0}
    found = intervals(test, original, mine, values)
    assert found['accuracy/top1'].mean == pytest.approx(10)
    assert intervals(test, {'accuracy/top1': 41.0}, mine, values) == {}
    assert intervals(test, original, mine, {'accuracy/top1': 49.9}) == {}
    assert intervals(test, original, None, values) == {}
    mine.write_bytes(b'torn')
    assert intervals(test, original, mine, values) == {}


def test_intervals_of_the_metrics_that_they_stand_beside(tmp_path: Path) -> None:
    """A class whose accuracy was measured by other predictions has no interval."""
    classified(tmp_path / 'X', range(8))
    mine = classified(tmp_path / 'X-rembg', range(10))
    test = str(tmp_path / 'X/20260101_000000/20260101_000000.json')
    of_classes = {
        name: [100 * np.isin(np.flatnonzero(number == LABELS), right).mean() for right in rights]
        for number, name in enumerate(('accuracy/class/hat', 'accuracy/class/bag'))
        for rights in [(range(8), range(10))]
    }
    original = {'accuracy/top1': 40.0} | {name: pair[0] for name, pair in of_classes.items()}
    values = {'accuracy/top1': 50.0} | {name: pair[1] for name, pair in of_classes.items()}
    assert set(intervals(test, original, mine, values)) == set(values)
    values['accuracy/class/bag'] += 12.5  # by a threshold, one more was right
    found = intervals(test, original, mine, values)
    assert set(found) == {'accuracy/top1', 'accuracy/class/hat'}


def test_metric_of_queries_writes_them_itself(tmp_path: Path) -> None:
    """QueryGalleryMetric is told where; a file of its config's own stays."""
    kinds = ('QueryGalleryMetric', 'mmpretrain.Accuracy')
    evaluator = Evaluator([dict(type=kind) for kind in kinds])
    dataset = _Photos()
    loop = SimpleNamespace(evaluator=evaluator, dataloader=SimpleNamespace(dataset=dataset))
    runner: Any = SimpleNamespace(test_loop=loop, log_dir=str(tmp_path))
    assert per_image_file(runner) is None
    metric = evaluator.metrics[0]
    collect_per_image(runner)
    assert len(evaluator.metrics) == 2
    assert metric.per_query_file == per_image_file(runner) == tmp_path / 'evidence.npz'
    assert metric.root == 'data'
    metric.per_query_file = tmp_path / 'mine.npz'
    collect_per_image(runner)
    assert per_image_file(runner) == tmp_path / 'mine.npz'


def test_numbers_of_images() -> None:
    """All images for a score, its own for a class; what is no score has none."""
    names = ['accuracy/top1', 'accuracy/class/bag', 'loss', 'retrieval/queries_left_out']
    metrics = dict.fromkeys(names, 1.0)
    assert count_images(_Photos(), metrics) == {'accuracy/top1': 20, 'accuracy/class/bag': 8}
    assert count_images([1, 2, 3], dict.fromkeys(names[:2], 1.0)) == {'accuracy/top1': 3}
    assert count_images(iter([1]), metrics) == {}
    searched = {'retrieval/hit@5': 40.0, 'accuracy/top1': 5.0}
    assert count_images([1, 2, 3], searched) == {'retrieval/hit@5': 3, 'accuracy/top1': 3}
    searched['retrieval/queries'] = 2.0
    assert count_images([1, 2, 3], searched) == {'retrieval/hit@5': 2, 'accuracy/top1': 3}
    of_cluster = {'saliency/IoU': 0.9, 'saliency/IoU/coat': 0.8, 'saliency/IoU/bag': 0.7}
    assert count_images([1, 2, 3], of_cluster) == {'saliency/IoU': 3}
    shown = {'retrieval/P@1': 40.0, 'retrieval/queries_left_out': 1.0}
    assert count_images([1, 2, 3], shown) == {'retrieval/P@1': 2}
    compared = {'mIoU': MetricDifference('percent', Score(40.0), Score(42.0), 2.0)}
    found = with_images(compared, {'mIoU': 7}, {'mIoU': Estimate(2.0, -1.0, 5.0, 7)})
    assert (found['mIoU'].images, found['mIoU'].interval) == (7, (-1.0, 5.0))
    assert with_images(compared, {})['mIoU'] == compared['mIoU']


def test_numbers_of_images_of_what_other_hooks_and_loops_measure() -> None:
    """Replaced backgrounds are behind the same images; attention is of the photos with a score."""
    plain = {'accuracy/top1': 20, 'accuracy/class/bag': 8, 'retrieval/P@1': 4}
    names = [f'{repeats}{name}' for name in plain for repeats in ('', 'replaced/', 'replaced_std/')]
    names += ['saliency/IoU', 'replaced/saliency/IoU', 'replaced/saliency/IoU/coat']
    counts = {'retrieval/queries': 4.0, 'replaced/retrieval/queries': 4.0}
    found = count_images(_Photos(), dict.fromkeys(names, 1.0) | counts)
    expected = {f'replaced/{name}': count for name, count in plain.items()}
    expected |= {f'replaced_std/{name}': count for name, count in plain.items()}
    expected |= {'saliency/IoU': 20, 'replaced/saliency/IoU': 20}
    assert found == plain | expected
    attention = {'attention/score': 0.1, 'attention/std': 0.2}
    assert count_images(_Photos(), attention) == {}
    counts = {'attention/photos': 5.0, 'attention/undefined': 2.0}
    assert count_images(_Photos(), attention | counts) == dict.fromkeys(attention, 3)


def test_seed_is_that_of_the_training(tmp_path: Path) -> None:
    """A later test's config, whose seed may be another, does not count."""
    assert seed_of_training(tmp_path) is None
    for start, seed in (('20260101_000000', 3), ('20260102_000000', 0)):
        folder = tmp_path / start / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'config.py').write_text(f'randomness = dict(seed={seed})\n')
    assert seed_of_training(tmp_path) == 0
    (tmp_path / '20260101_000000/vis_data/scalars.json').write_text('{}')
    assert seed_of_training(tmp_path) == 3
    assert seed_of_training(tmp_path / '20260102_000000') == 0
    (tmp_path / '20260101_000000/vis_data/config.py').write_text('randomness = dict(')
    assert seed_of_training(tmp_path) is None
