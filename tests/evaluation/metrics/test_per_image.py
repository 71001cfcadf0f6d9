"""Per-image results of a test, against counting by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bgremoval_mm.evaluation.metrics.per_image import (
    PerImageAccuracy,
    PerImageIoU,
    read_per_image,
    region_areas,
)
from bgremoval_mm.evaluation.paired import main_score
from bgremoval_mm.registry import FORMER_NAMES, METRICS


def test_region_areas_are_counted_pixel_by_pixel() -> None:
    """Intersection, union, prediction and annotation; 255 counts nowhere."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, (7, 9))
    labels[random.random((7, 9)) < 0.3] = 255
    predicted = random.integers(0, 5, (7, 9))
    areas = region_areas(torch.from_numpy(predicted), torch.from_numpy(labels), 5)
    expected = np.zeros((5, 4), int)
    for row in range(7):
        for column in range(9):
            said, known = predicted[row, column], labels[row, column]
            if known == 255:
                continue
            for category in range(5):
                expected[category] += [
                    said == known == category,
                    category in (said, known),
                    said == category,
                    known == category,
                ]
    assert areas.tolist() == expected.tolist()


def test_pixels_of_no_class_count_nowhere() -> None:
    """As in mmseg's IoUMetric, labels and predictions beyond the classes are no error."""
    labels, predicted = torch.tensor([[0, 1, 7, 7]]), torch.tensor([[0, 5, 1, 7]])
    areas = region_areas(predicted, labels, 2)
    assert areas.tolist() == [[1, 1, 1, 1], [0, 2, 1, 1]]
    metrics = pytest.importorskip('mmseg.evaluation.metrics')
    stock = metrics.IoUMetric.intersect_and_union(predicted, labels, 2, 255)
    assert np.stack([each.numpy() for each in stock], axis=1).tolist() == areas.tolist()


@pytest.mark.parametrize('topk', [1, (1, 5)])
@pytest.mark.parametrize(('score', 'right'), [(0.01, 2), (float('nan'), 0)])
def test_classes_as_probable_as_others(score: float, right: int, topk: Any, tmp_path: Path) -> None:
    """The first is that of mmpretrain's Accuracy, and none after a training that has diverged."""
    stock = pytest.importorskip('mmpretrain.evaluation').Accuracy(topk=topk)
    metric = PerImageAccuracy(str(tmp_path / 'evidence.npz'), '/data', topk)
    scores = torch.full((100,), score)
    first = scores.topk(np.max(topk)).indices[0]
    for index, label in enumerate([first, first, (first + 1) % 100]):
        sample = {'sample_idx': index, 'gt_label': label[None], 'pred_score': scores}
        metric.process(None, [sample])
        stock.process(None, [sample])
    metric.evaluate(3)
    found = main_score(read_per_image(tmp_path / 'evidence.npz'))
    assert found == ('accuracy/top1', pytest.approx(right / 3 * 100))
    assert stock.evaluate(3)['accuracy/top1'] == pytest.approx(right / 3 * 100)


def test_many_classes(tmp_path: Path) -> None:
    """Classes beyond 32,767, as of a catalogue by article, have their own numbers."""
    metric = PerImageAccuracy(str(tmp_path / 'evidence.npz'), '/data')
    scores = torch.nn.functional.one_hot(torch.tensor(40_000), 50_000).float()
    metric.process(None, [{'gt_label': torch.tensor([39_000]), 'pred_score': scores}])
    metric.evaluate(1)
    found = read_per_image(tmp_path / 'evidence.npz')
    assert (found['labels'].tolist(), found['predictions'].tolist()) == ([39_000], [40_000])


def test_classes_in_the_order_of_the_names(tmp_path: Path) -> None:
    """Whatever the order of the batches, the images are in that of their names."""
    metric = PerImageAccuracy(str(tmp_path / 'new' / 'evidence.npz'), '/data')
    metric.dataset_meta = {'classes': ('hat', 'dress')}
    for name, label, scores in (('b', 1, [0.2, 0.8]), ('a', 1, [0.7, 0.3])):
        sample = {
            'img_path': f'/data/test/{name}.jpg',
            'gt_label': torch.tensor([label]),
            'pred_score': torch.tensor(scores),
        }
        metric.process(None, [sample])
    assert metric.evaluate(2) == {}
    with np.load(tmp_path / 'new' / 'evidence.npz') as results:
        assert results['names'].tolist() == ['test/a.jpg', 'test/b.jpg']
        assert results['labels'].tolist() == [1, 1]
        assert results['predictions'].tolist() == [0, 1]
        assert results['classes'].tolist() == ['hat', 'dress']


def test_images_without_a_file(tmp_path: Path) -> None:
    """They are named by their number; a class that was predicted stands in for scores."""
    metric = PerImageAccuracy(str(tmp_path / 'evidence.npz'), '/data')
    metric.dataset_meta = {'classes': ('hat', 'dress')}
    for index in (1, 0):
        label = torch.tensor([index])
        sample = {'sample_idx': index, 'gt_label': label, 'pred_label': torch.tensor([1])}
        metric.process(None, [sample])
    metric.evaluate(2)
    with np.load(tmp_path / 'evidence.npz') as results:
        assert results['names'].tolist() == ['0', '1']
        assert results['labels'].tolist() == [0, 1]
        assert results['predictions'].tolist() == [1, 1]


def test_regions_sum_to_the_data_sets_areas(tmp_path: Path) -> None:
    """An array of (images, classes, 4), whose sum over the images gives IoU."""
    metric = PerImageIoU(str(tmp_path / 'evidence.npz'), '/data')
    metric.dataset_meta = {'classes': ('ground', 'thing')}
    labels = torch.tensor([[[0, 1, 1]]])
    for name, said in (('b', [[[0, 1, 0]]]), ('a', [[[1, 1, 1]]])):
        metric.process(
            None,
            [
                {
                    'img_path': f'/data/{name}.jpg',
                    'pred_sem_seg': {'data': torch.tensor(said)},
                    'gt_sem_seg': {'data': labels},
                }
            ],
        )
    metric.evaluate(2)
    with np.load(tmp_path / 'evidence.npz') as results:
        assert results['areas'].shape == (2, 2, 4)
        assert results['names'].tolist() == ['a.jpg', 'b.jpg']
        assert results['areas'].sum(0).tolist() == [[1, 3, 2, 2], [3, 5, 4, 4]]


def test_results_of_a_finished_run_stay(tmp_path: Path) -> None:
    """Another test with the run's saved config does not replace what belongs to its result."""
    (tmp_path / 'result.json').write_text('{}')
    (tmp_path / 'evidence.npz').write_bytes(b'as it was')
    metric = PerImageAccuracy(str(tmp_path / 'evidence.npz'), '/data')
    metric.dataset_meta = {'classes': ('hat', 'dress')}
    sample = {
        'img_path': '/data/a.jpg',
        'gt_label': torch.tensor([0]),
        'pred_score': torch.tensor([0.9, 0.1]),
    }
    metric.process(None, [sample])
    metric.evaluate(1)
    assert (tmp_path / 'evidence.npz').read_bytes() == b'as it was'


@pytest.mark.parametrize(('former', 'name'), [(old, new) for new, old in FORMER_NAMES.items()])
def test_saved_configs_still_build(former: str, name: str, tmp_path: Path) -> None:
    """The config that an earlier release left beside a run has the metric's former name."""
    built = METRICS.build({'type': former, 'file': str(tmp_path / 'evidence.npz'), 'root': '.'})
    assert type(built).__name__ == name


def test_products_and_probabilities(tmp_path: Path) -> None:
    """Photos of products have these too, in the order of the names; unless one has none."""
    file = tmp_path / 'evidence.npz'
    for last, expected in (('p2', True), (None, False)):
        metric = PerImageAccuracy(str(file), '/data')
        metric.dataset_meta = {'classes': ('hat', 'dress')}
        for name, product, scores in (('b', 7, [0.2, 0.8]), ('a', last, [0.75, 0.25])):
            sample = {
                'img_path': f'/data/{name}.jpg',
                'gt_label': torch.tensor([1]),
                'pred_score': torch.tensor(scores),
                'product_id': product,
            }
            metric.process(None, [sample])
        metric.evaluate(2)
        with np.load(file) as results:
            assert results['names'].tolist() == ['a.jpg', 'b.jpg']
            assert ('products' in results.files, 'scores' in results.files) == (expected,) * 2
            if expected:
                assert results['products'].tolist() == ['p2', '7']
                assert results['scores'].dtype == np.float32
                assert np.allclose(results['scores'], [[0.75, 0.25], [0.2, 0.8]])
