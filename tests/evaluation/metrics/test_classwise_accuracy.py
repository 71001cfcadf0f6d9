"""ClasswiseAccuracy: counted by hand, through mmengine's Evaluator, in any order of images."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pytest
import torch
from mmengine.registry import METRICS, DefaultScope

from bgremoval_mm import ClasswiseAccuracy
from bgremoval_mm.engine.comparison import direction, unit
from bgremoval_mm.evaluation.functional import classwise_accuracy

CLASSES = ('dress', 'hat', 'shoes', 'skirt')
# (true class, predicted class): dress 2 of 3, hat 0 of 1, shoes 2 of 2, no skirt.
ANSWERS = [(0, 0), (1, 0), (0, 0), (2, 2), (0, 2), (2, 2)]


def sample(label: int, predicted: int) -> dict[str, torch.Tensor]:
    """What mmpretrain's DataSample.to_dict() gives of one image."""
    return {'gt_label': torch.tensor([label]), 'pred_label': torch.tensor([predicted])}


@pytest.fixture
def metric() -> ClasswiseAccuracy:
    """The metric, as an Evaluator sets it up."""
    metric = ClasswiseAccuracy()
    metric.dataset_meta = {'classes': CLASSES}
    return metric


def test_shares_by_hand() -> None:
    """Each class's right answers over its images, in percent; NaN where there are none."""
    labels, predictions = np.array(ANSWERS).T
    found = classwise_accuracy(labels, predictions, 4)
    np.testing.assert_allclose(found, [200 / 3, 0, 100, np.nan])


def test_agrees_with_a_loop() -> None:
    """The vectorised count equals the definition on random answers."""
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 6, (2, 500))
    expected = []
    for label in range(6):
        of_class = [p == t for t, p in zip(labels, predictions, strict=True) if t == label]
        expected.append(100 * sum(of_class) / len(of_class))
    np.testing.assert_allclose(classwise_accuracy(labels, predictions, 6), expected)


def test_metrics_and_table(metric: ClasswiseAccuracy, caplog: pytest.LogCaptureFixture) -> None:
    """One metric a class, in the order of the classes, and a table in the log."""
    with caplog.at_level(logging.INFO, logger='mmengine'):
        metric.process({}, [sample(*answer) for answer in ANSWERS[:4]])
        metric.process({}, [sample(*answer) for answer in ANSWERS[4:]])
        found = metric.evaluate(len(ANSWERS))
    assert list(found) == [f'accuracy/class/{name}' for name in CLASSES]
    assert found['accuracy/class/dress'] == pytest.approx(200 / 3)
    assert found['accuracy/class/hat'] == 0
    assert np.isnan(found['accuracy/class/skirt'])


def test_padding_of_the_last_batch_is_dropped(metric: ClasswiseAccuracy) -> None:
    """Samples that a distributed sampler adds to even out the processes do not count."""
    metric.process({}, [sample(*answer) for answer in [*ANSWERS, (1, 1)]])
    assert metric.evaluate(len(ANSWERS))['accuracy/class/hat'] == 0


def test_prediction_from_scores(metric: ClasswiseAccuracy) -> None:
    """Without a predicted label, the best score decides."""
    scores = torch.tensor([0.1, 0.6, 0.2, 0.1])
    metric.process({}, [{'gt_label': torch.tensor([1]), 'pred_score': scores}])
    assert metric.evaluate(1)['accuracy/class/hat'] == 100


def test_unit_and_direction_are_known_to_the_diff_hook() -> None:
    """In percent, higher is better, whatever the class is called."""
    for name in ('dress', 't-shirt', 'kireime-casual', 'loss'):
        assert unit(f'accuracy/class/{name}') == 'percent'
        assert direction(f'accuracy/class/{name}') == 'greater'


@pytest.mark.parametrize('scope', ['mmengine', 'mmpretrain'])
def test_registry_builds_it_under_any_scope(scope: str) -> None:
    """The short name works in every codebase."""
    pytest.importorskip(scope)
    with DefaultScope.overwrite_default_scope(scope):
        metric = METRICS.build({'type': 'ClasswiseAccuracy', 'prefix': 'top1'})
    assert isinstance(metric, ClasswiseAccuracy)
    assert pickle.loads(pickle.dumps(metric)).prefix == 'top1'


def test_errors(metric: ClasswiseAccuracy) -> None:
    """Several labels an image, and a dataset without classes, are refused with the reason."""
    several = {'gt_label': torch.tensor([0, 1]), 'pred_label': torch.tensor([0])}
    with pytest.raises(ValueError, match=r'one label an image, but got \[0, 1\]'):
        metric.process({}, [several])
    metric.process({}, [sample(0, 0)])
    metric.dataset_meta = {}
    with pytest.raises(ValueError, match='metainfo has `classes`'):
        metric.evaluate(1)
