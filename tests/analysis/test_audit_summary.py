"""What an audit says, recomputed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bgremoval_mm.analysis.background_audit.summary import Audit, ConditionScores, as_text
from bgremoval_mm.evaluation.functional import class_scores


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


def test_scores_of_classes() -> None:
    """Accuracy of each class, or IoU over all images; None for a class that is not there."""
    labels = {'labels': np.array([0, 0, 1]), 'predictions': np.array([0, 1, 1])}
    names = np.array(['hat', 'bag', 'cap'])
    assert class_scores({**labels, 'classes': names}) == {'hat': 50.0, 'bag': 100.0, 'cap': None}
    areas = np.array([[[1, 4, 2, 3], [0, 5, 5, 0]], [[1, 4, 2, 3], [0, 1, 1, 0]]])
    found = class_scores({'areas': areas, 'classes': names[:2]})
    assert found == {'hat': 25.0, 'bag': None}
