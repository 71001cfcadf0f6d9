"""What an audit says, recomputed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.analysis.background_audit.evaluate import split_classes
from bgremoval_mm.analysis.background_audit.picture import draw_audit
from bgremoval_mm.analysis.background_audit.summary import Audit, ConditionScores
from bgremoval_mm.analysis.background_audit.text import as_text, score_text
from bgremoval_mm.analysis.background_audit.uncertainty import (
    Uncertainty,
    chance_level,
    measure_uncertainty,
    photos_of_classes,
)
from bgremoval_mm.evaluation.functional import class_scores
from bgremoval_mm.evaluation.paired import main_score
from bgremoval_mm.evaluation.proportions import accuracy_interval
from bgremoval_mm.evaluation.statistics import (
    Estimate,
    accuracy_difference,
    iou_difference,
    iou_interval,
)


@pytest.fixture
def audit() -> Audit:
    """Of a model that was trained on originals: hats depend on the background, bags do not."""
    outcomes = {
        'original': ConditionScores(
            'original', [{'accuracy/top1': 80.0}], {'hat': 90.0, 'bag': 70.0}
        ),
        'replaced': ConditionScores(
            'replaced',
            [{'accuracy/top1': 36.0}, {'accuracy/top1': 44.0}],
            {'hat': 10.0, 'bag': 70.0, 'cap': None},
        ),
    }
    return Audit({'seed': 0}, 'original', 20, outcomes)


def test_what_survives(audit: Audit) -> None:
    """The mean over draws in percent of the reference's, and the draws' deviation."""
    assert audit.outcomes['replaced'].mean('accuracy/top1') == 40.0
    deviation = audit.outcomes['replaced'].deviation('accuracy/top1')
    assert deviation == pytest.approx(np.sqrt(32))
    assert audit.outcomes['original'].deviation('accuracy/top1') is None
    assert audit.retained('replaced', 'accuracy/top1') == 50.0
    assert audit.retained('original', 'accuracy/top1') == 100.0
    assert audit.retained('blurred', 'accuracy/top1') is None


def test_who_leans_on_the_background(audit: Audit) -> None:
    """Largest loss first; classes without photos are left out."""
    rows = audit.background_dependence()
    assert [(row['class'], row['lost'], row['with']) for row in rows] == [
        ('hat', 80.0, 'replaced'),
        ('bag', 0.0, 'replaced'),
    ]
    assert rows[0]['scores'] == {'original': 90.0, 'replaced': 10.0}


def test_reference_of_the_removed_variant(audit: Audit) -> None:
    """A model that was trained on removed photos is measured by those."""
    audit.trained_on = 'rembg'
    assert audit.reference == 'removed'
    assert audit.retained('replaced', 'accuracy/top1') is None  # the reference was not evaluated
    assert audit.background_dependence() == []


def test_text_and_file(audit: Audit) -> None:
    """The tables name everything; the file can be read back."""
    text = as_text(audit)
    assert '20 test photos; the model was trained on original ones' in text
    assert '40.00 ± 5.66' in text
    assert '50 %' in text
    assert 'classes that lose most when the background is replaced' in text
    content = json.loads(json.dumps(audit.as_json()))
    assert Audit.from_json(content) == audit
    assert content['summary']['replaced']['accuracy/top1']['survives_percent'] == 50.0
    assert content['summary']['replaced']['accuracy/top1']['unit'] == 'percent'


def classified(*predictions: int) -> dict[str, np.ndarray]:
    """What PerImageAccuracy writes of ten photos: six hats, three bags, a cap."""
    labels = np.array([0] * 6 + [1] * 3 + [2])
    names = np.array([f'{i}.jpg' for i in range(10)])
    classes = np.array(['hat', 'bag', 'cap', 'belt'])
    return {
        'names': names,
        'labels': labels,
        'predictions': np.array(predictions),
        'classes': classes,
    }


PERFECT = classified(0, 0, 0, 0, 0, 0, 1, 1, 1, 2)
ALL_HATS = classified(*[0] * 10)


def test_chance_is_the_best_constant_answer() -> None:
    """The share of the most frequent class; in segmentation the mIoU of its class everywhere."""
    assert chance_level(PERFECT) == 60.0
    assert chance_level(ALL_HATS) == 60.0  # of labels, whatever the model says
    annotated = np.array([[60, 30, 0], [20, 10, 0]])
    said = np.array([[90, 0, 0], [30, 0, 0]])  # the first class everywhere
    both = np.minimum(said, annotated)
    areas = np.stack([both, said + annotated - both, said, annotated], axis=-1)
    found = {'areas': areas, 'classes': np.array(['ground', 'hat', 'cap'])}
    assert chance_level(found) == pytest.approx(main_score(found)[1])
    assert chance_level(found) == pytest.approx(100 * 80 / 120 / 2)
    assert photos_of_classes(found) == {'ground': 2, 'hat': 2, 'cap': 0}
    assert photos_of_classes(PERFECT) == {'hat': 6, 'bag': 3, 'cap': 1, 'belt': 0}
    assert photos_of_classes({**PERFECT, 'classes': np.array((), np.str_)}) == {}


def test_intervals_of_an_audit() -> None:
    """Wilson's of one test, of several draws the bootstrap of their means; changes are paired."""
    draws = [classified(0, 0, 0, 0, 1, 1, 1, 1, 1, 2), classified(0, 0, 0, 0, 0, 1, 0, 0, 1, 2)]
    found = measure_uncertainty({'original': [PERFECT], 'replaced': draws}, 'original')
    assert found is not None
    assert found.metric == 'accuracy/top1'
    right = np.stack([each['labels'] == each['predictions'] for each in draws])
    assert found.scores['original'] == accuracy_interval(np.ones((1, 10), bool))
    assert found.scores['replaced'] == accuracy_interval(right)
    assert found.changes == {'replaced': accuracy_difference(np.ones((2, 10), bool), right)}
    assert found.changes['replaced'].mean == pytest.approx(75 - 100 - 5 + 5)
    assert measure_uncertainty({}, 'original') is None
    without = measure_uncertainty({'replaced': draws}, 'original')
    assert without is not None
    assert without.changes == {}


def test_intervals_of_segmentation() -> None:
    """Areas of the photos are summed before IoU is taken, the change is photo by photo."""
    areas = np.random.default_rng(0).integers(1, 9, (2, 6, 2, 4))
    areas[..., 1] += 9
    first, second = ({'areas': each, 'classes': np.array(['a', 'b'])} for each in areas)
    found = measure_uncertainty({'removed': [first], 'original': [second]}, 'removed')
    assert found is not None
    assert found.metric == 'mIoU'
    assert found.scores['removed'] == iou_interval(areas[:1])
    assert found.changes == {'original': iou_difference(areas[:1], areas[1:])}


def test_no_share_at_chance(audit: Audit) -> None:
    """A model that always says hat retains nothing, though its score is the same everywhere."""
    audit.images = 10
    audit.uncertainty = measure_uncertainty(
        {'original': [ALL_HATS], 'replaced': [ALL_HATS, ALL_HATS]}, 'original'
    )
    assert audit.is_at_chance('original')
    assert audit.retained('replaced', 'accuracy/top1') is None
    text = as_text(audit)
    assert text.count('at chance') == 3  # two conditions and the note
    assert '50 %' not in text
    assert 'chance: 60.00 (always the same answer)' in text
    content = json.loads(json.dumps(audit.as_json()))
    assert content['summary']['replaced']['accuracy/top1']['survives_percent'] is None
    assert Audit.from_json(content) == audit


def test_text_with_intervals(audit: Audit) -> None:
    """Units, intervals, the paired change, photos a class, and what is not covered."""
    many = {
        name: np.tile(each, 20) if name != 'classes' else each for name, each in PERFECT.items()
    }
    worse = {**many, 'predictions': np.where(np.arange(200) % 10 < 2, 1, many['predictions'])}
    audit.uncertainty = measure_uncertainty(
        {'original': [many], 'replaced': [worse, worse]}, 'original'
    )
    assert not audit.is_at_chance('replaced')
    text = as_text(audit)
    assert 'accuracy/top1, percent' in text
    assert text.count('95 % over') == 2
    assert 'minus original, points' in text
    assert '-20.00' in text
    assert '50 %' in text
    assert '±: standard deviation over 2 draws of backgrounds, not the uncertainty' in text
    assert 'one trained model' in text
    row = next(line for line in text.splitlines() if line.split()[:1] == ['hat'])
    assert row.split()[1:3] == ['120', '80.0']


def test_no_intervals_without_results(audit: Audit) -> None:
    """Without per-image results the text says that there are none."""
    assert 'no intervals: there are no results photo by photo' in as_text(audit)


def test_scores_of_classes() -> None:
    """Accuracy of each class, or IoU over all images; None for a class that is not there."""
    labels = {'labels': np.array([0, 0, 1]), 'predictions': np.array([0, 1, 1])}
    names = np.array(['hat', 'bag', 'cap'])
    assert class_scores({**labels, 'classes': names}) == {'hat': 50.0, 'bag': 100.0, 'cap': None}
    assert class_scores({**labels, 'classes': np.array((), np.str_)}) == {}
    areas = np.array([[[1, 4, 2, 3], [0, 5, 5, 0]], [[1, 4, 2, 3], [0, 1, 1, 0]]])
    found = class_scores({'areas': areas, 'classes': names[:2]})
    assert found == {'hat': 25.0, 'bag': None}


def test_names_of_classes_are_printed_as_they_are(audit: Audit) -> None:
    """Brackets and colons are no markup."""
    for outcome in audit.outcomes.values():
        outcome.classes = {'[/b]': 50.0, 'shoe [left]': 40.0, 'a:dog:b': 30.0}
    text = as_text(audit)
    for name in ('[/b]', 'shoe [left]', 'a:dog:b'):
        assert f'  {name} ' in text


def test_names_of_classes_with_slashes() -> None:
    """CocoMetric's AP of a class is told apart from that of a class whose name ends alike."""
    metrics = {
        'coco/bbox_mAP': 0.4,
        'coco/top/blouse_precision': 0.5,
        'coco/blouse_precision': 0.25,
        'coco/cap_precision': float('nan'),
    }
    found = split_classes(metrics, Path('no.npz'), ('top/blouse', 'blouse', 'cap'))
    expected = {'top/blouse': 0.5, 'blouse': 0.25, 'cap': None}
    assert found == ({'coco/bbox_mAP': 0.4}, expected)


def test_nothing_detected_in_the_reference() -> None:
    """The metrics are those of the other conditions; the reference has no score, nor a share."""
    metric = 'coco/bbox_mAP'
    outcomes = {
        'original': ConditionScores('original', [{}]),
        'removed': ConditionScores('removed', [{metric: 0.25}]),
        # The mean of the draws in which something was detected would be too high.
        'replaced': ConditionScores('replaced', [{}, {metric: 0.75}]),
    }
    audit = Audit({}, 'original', 3, outcomes)
    assert audit.metrics == [metric]
    assert outcomes['replaced'].mean(metric) is None
    assert outcomes['replaced'].deviation(metric) is None
    assert '0.750' not in as_text(audit)
    assert audit.as_json()['summary']['original'][metric]['mean'] is None
    assert '0.250' in as_text(audit)
    assert draw_audit(audit, [('a.jpg', [np.zeros((8, 8, 3), np.uint8)] * 3)]).width > 100


def test_an_interval_beside_its_score(audit: Audit) -> None:
    """All draws of photos may lie on one side of a score: of an mAP of rare classes, they do."""
    metric = 'accuracy/top1'
    beside = {
        'original': Estimate(80.0, 82.0, 90.0, 20),
        'replaced': Estimate(40.0, 20.0, 30.0, 20),
    }
    audit.uncertainty = Uncertainty(metric, None, beside, {})
    assert draw_audit(audit, [('a.jpg', [np.zeros((8, 8, 3), np.uint8)] * 2)]).width > 100


def test_scores_have_the_same_decimals() -> None:
    """A score that happens to be whole looks as sure as its neighbours."""
    assert [score_text(each, 'percent') for each in (26.0, 26.344)] == ['26.0', '26.3']
    assert [score_text(each, 'fraction', '+') for each in (0.5, -0.1234)] == ['+0.500', '-0.123']
    assert score_text(1234.0, None) == '1234'
