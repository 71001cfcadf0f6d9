"""The differences of two tests from their per-image results, against counting."""

from __future__ import annotations

import numpy as np
import pytest

from bgremoval_mm.evaluation.paired import images_of_classes, main_score, score_differences
from bgremoval_mm.evaluation.proportions import newcombe_difference
from bgremoval_mm.evaluation.statistics import accuracy_difference, iou_difference

NAMES = np.array(['a', 'b', 'c', 'd', 'e'])
LABELS = np.array([0, 0, 0, 1, 1])


def classified(*predictions: int) -> dict[str, np.ndarray]:
    """What PerImageAccuracy writes of five images of two classes, and of none of a third."""
    classes = np.array(['hat', 'bag', 'cap'])
    predicted = np.array(predictions)
    return {'names': NAMES, 'labels': LABELS, 'predictions': predicted, 'classes': classes}


def test_classification() -> None:
    """Top-1 by the bootstrap, each class by Newcombe's interval of its own images."""
    first, second = classified(0, 1, 1, 1, 0), classified(0, 0, 1, 0, 1)
    assert main_score(first) == ('accuracy/top1', pytest.approx(40))
    assert images_of_classes(first) == {
        'accuracy/class/hat': 3,
        'accuracy/class/bag': 2,
        'accuracy/class/cap': 0,
    }
    assert images_of_classes({**first, 'classes': np.array((), np.str_)}) == {}
    found = score_differences(first, second)
    assert set(found) == {'accuracy/top1', 'accuracy/class/hat', 'accuracy/class/bag'}
    right = [each['predictions'] == LABELS for each in (first, second)]
    assert found['accuracy/top1'] == accuracy_difference(right[0][None], right[1][None])
    assert found['accuracy/top1'].mean == pytest.approx(20)
    hats = found['accuracy/class/hat']
    assert hats == newcombe_difference(right[0][:3], right[1][:3])
    assert (hats.mean, hats.count) == (pytest.approx(100 / 3), 3)
    assert found['accuracy/class/bag'].mean == 0


def test_segmentation() -> None:
    """mIoU of the summed areas."""
    areas = np.random.default_rng(0).integers(1, 9, (5, 2, 4))
    areas[..., 1] += 9
    first = {'names': NAMES, 'areas': areas, 'classes': np.array(['ground', 'hat'])}
    second = {**first, 'areas': areas[::-1]}
    sums = areas.sum(axis=0)
    assert main_score(first) == ('mIoU', pytest.approx(np.mean(100 * sums[:, 0] / sums[:, 1])))
    assert images_of_classes(first) == {}
    found = score_differences(first, second)
    assert found == {'mIoU': iou_difference(areas[None], areas[::-1][None])}


@pytest.mark.parametrize(
    'change',
    [
        {'names': NAMES[::-1]},
        {'labels': LABELS[::-1]},
        {'names': NAMES[:4], 'labels': LABELS[:4], 'predictions': LABELS[:4]},
    ],
)
def test_other_images_are_not_compared(change: dict[str, np.ndarray]) -> None:
    """Other names, labels or numbers of images give no difference."""
    first = classified(0, 1, 1, 1, 0)
    assert score_differences(first, {**first, **change}) == {}
    assert score_differences(first, {'names': NAMES, 'areas': np.ones((5, 2, 4))}) == {}
    nameless = {**first, 'names': np.array([''] * 5)}
    assert score_differences(nameless, nameless) == {}
