"""Intervals of an audit's mAP, from predictions that are kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('pycocotools')

from bgremoval_mm.analysis.background_audit.detection import keep_predictions, measure_detection
from bgremoval_mm.analysis.background_audit.summary import Audit, ConditionScores
from bgremoval_mm.analysis.background_audit.text import as_text
from bgremoval_mm.evaluation.coco_bootstrap import ResampledMap

MAP = 'coco/bbox_mAP'
NAMES = {'original': ['original_0'], 'replaced': ['replaced_0', 'replaced_1']}
IMAGES = 10


def write_test(folder: Path, noise: float | None) -> Path:
    """What CocoMetric writes of a test: boxes near the true ones, or none."""
    boxes = np.random.default_rng(0).uniform(20, 60, (IMAGES, 4))
    moved = boxes + np.random.default_rng(1).normal(0, noise or 0, boxes.shape)
    images = [{'id': i, 'width': 200, 'height': 200, 'file_name': f'{i}.jpg'} for i in range(10)]
    annotations = [
        {
            'id': i + 1,
            'image_id': i,
            'category_id': i % 2,
            'bbox': box.tolist(),
            'area': float(box[2] * box[3]),
            'iscrowd': 0,
        }
        for i, box in enumerate(boxes)
    ]
    names = [{'id': 0, 'name': 'hat'}, {'id': 1, 'name': 'bag'}]
    truth = {'images': images, 'annotations': annotations, 'categories': names}
    found = [
        {'image_id': i, 'category_id': i % 2, 'bbox': box.tolist(), 'score': 0.5}
        for i, box in enumerate(moved)
    ]
    prefix = folder / 'predictions'
    Path(f'{prefix}.gt.json').write_text(json.dumps(truth))
    Path(f'{prefix}.bbox.json').write_text(json.dumps([] if noise is None else found))
    return prefix


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with the predictions of one test of originals, and two of replaced backgrounds."""
    folder = tmp_path / 'per_image'
    for name, noise in (('original_0', 1.0), ('replaced_0', 8.0), ('replaced_1', 12.0)):
        prefix = write_test(tmp_path, noise)
        keep_predictions(prefix, Path(f'{prefix}.gt.json'), folder, name)
    return folder


def score(folder: Path, name: str) -> float:
    """MAP of a test, as mmdet rounds it."""
    return round(
        ResampledMap(folder / 'annotations.json', folder / f'{name}.bbox.json', 'bbox').whole(), 3
    )


@pytest.fixture
def audit(kept: Path) -> Audit:
    """The scores of these tests."""
    outcomes = {
        name: ConditionScores(name, [{MAP: score(kept, test)} for test in tests])
        for name, tests in NAMES.items()
    }
    return Audit({}, 'original', IMAGES, outcomes)


def test_intervals(audit: Audit, kept: Path) -> None:
    """Scores are means over draws, and the change is theirs; all photos of a class are counted."""
    found = measure_detection(audit, NAMES, kept)
    assert found is not None
    assert (found.metric, found.chance) == (MAP, None)
    assert found.class_photos == {'hat': 5, 'bag': 5}
    replaced, original = found.scores['replaced'], found.scores['original']
    expected = np.mean([score(kept, name) for name in NAMES['replaced']])
    assert replaced.mean == pytest.approx(expected, abs=1e-3)
    assert replaced.low is not None
    assert replaced.high is not None
    assert replaced.low < replaced.mean < replaced.high
    change = found.changes['replaced']
    assert change.mean == pytest.approx(replaced.mean - original.mean)
    assert change.sign == -1
    audit.uncertainty = found
    assert not audit.is_at_chance('replaced')
    assert Audit.from_json(json.loads(json.dumps(audit.as_json()))) == audit
    text = as_text(audit)
    assert 'minus original ' in text
    assert f'{change.low:+.3f} to {change.high:+.3f}' in text
    assert 'chance' not in text


def test_without_detections(audit: Audit, kept: Path, tmp_path: Path) -> None:
    """A condition under which nothing was detected has no interval, and the text says so."""
    prefix = write_test(tmp_path, None)
    keep_predictions(prefix, Path(f'{prefix}.gt.json'), kept, 'replaced_1')
    audit.uncertainty = found = measure_detection(audit, NAMES, kept)
    assert found is not None
    assert list(found.scores) == ['original']
    assert found.changes == {}
    assert 'no interval of replaced: nothing was detected' in as_text(audit)


def test_predictions_of_another_audit(audit: Audit, kept: Path) -> None:
    """Predictions that do not give the scores are not used; without any there is no interval."""
    for outcome in audit.outcomes.values():
        outcome.draws = [{MAP: draw[MAP] + 0.1} for draw in outcome.draws]
    assert measure_detection(audit, NAMES, kept) is None
    assert measure_detection(audit, NAMES, kept.parent) is None


def test_nothing_is_kept_of_another_test(tmp_path: Path, kept: Path) -> None:
    """A test that wrote no predictions deletes those that its name had; none are left behind."""
    prefix = write_test(tmp_path, 1.0)
    Path(f'{prefix}.bbox.json').unlink()
    keep_predictions(prefix, Path(f'{prefix}.gt.json'), kept, 'original_0')
    assert not (kept / 'original_0.bbox.json').exists()
    keep_predictions(prefix, None, tmp_path / 'new', 'original_0')
    assert not (tmp_path / 'new').exists()
