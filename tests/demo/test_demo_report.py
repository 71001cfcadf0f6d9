"""What the demo says of its findings."""

from __future__ import annotations

import json

import pytest

from bgremoval_mm.demo.report import Report
from bgremoval_mm.demo.sheet import Answer


@pytest.fixture
def report() -> Report:
    """Three test pictures of two products, and one training picture."""
    images = [
        {'file': 'train/a', 'split': 'train', 'product': 'p0', 'background': 'sea.png'},
        {'file': 'test/a', 'split': 'test', 'product': 'p1', 'background': 'sky.png'},
        {'file': 'test/b', 'split': 'test', 'product': 'p1', 'background': 'sea.png'},
        {'file': 'test/c', 'split': 'test', 'product': 'p2', 'background': 'sky.png'},
    ]
    ious = {'train/a': 0.5, 'test/a': 1.0, 'test/b': 0.3, 'test/c': 0.9}
    answers = [
        Answer('test/a', 'tee', 'tee', 'tee', 1.0),
        Answer('test/b', 'tee', 'polo', 'tee', 0.3),
        Answer('test/c', 'polo', 'tee', 'polo', 0.9),
    ]
    return Report.of('u2netp', images, ious, answers)


def test_report_counts_what_it_was_given(report: Report) -> None:
    """1 of 3 right on originals, 3 of 3 without background; IoU (0.5 + 1 + 0.3 + 0.9) / 4."""
    found = report.as_dict()
    assert (found['original']['right'], found['rembg']['right']) == (1, 3)
    assert found['comparison']['diff'] == pytest.approx(200 / 3)
    assert found['masks']['mean'] == pytest.approx(2.7 / 4)
    assert found['masks']['median'] == pytest.approx(0.7)
    assert (found['masks']['worst'], found['masks']['worst_file']) == (0.3, 'test/b')
    assert list(found['masks']['mean_by_background'].items()) == [
        ('sea', pytest.approx(0.4)),
        ('sky', pytest.approx(0.95)),
    ]
    assert (found['test_products'], found['test_backgrounds']) == (2, 2)
    json.dumps(found)


def test_report_says_how_much_it_is_worth(report: Report) -> None:
    """The text names numbers of pictures, products and backgrounds, intervals and both counts."""
    text = str(report)
    for part in (
        'original             33.3 %   (1 of 3; 95 % interval 6.1 to 79.2)',
        'background removed  100.0 %   (3 of 3;',
        'difference          +66.7 points',
        'right only with the background removed: 2, only with the',
        'original: 0; exact McNemar test: p = 0.5',
        'show 2 products on 2 backgrounds',
        'worst               0.300  test/b',
        'sea 0.40, sky 0.95',
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100
