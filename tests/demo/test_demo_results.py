"""The demo's results, recomputed from their definitions."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from bgremoval_mm.demo.results import Answer, accuracy, compare, format_results, summarize


@pytest.fixture
def results() -> dict[str, Any]:
    """Results of three test pictures of two products, and one training picture."""
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
    return summarize('u2netp', images, ious, answers)


def test_results_count_what_was_given(results: dict[str, Any]) -> None:
    """1 of 3 right on originals, 3 of 3 without background; IoU (0.5 + 1 + 0.3 + 0.9) / 4."""
    assert (results['original']['right'], results['rembg']['right']) == (1, 3)
    assert results['comparison']['diff'] == pytest.approx(200 / 3)
    masks = results['masks']
    assert (masks['pictures'], masks['worst'], masks['worst_file']) == (4, 0.3, 'test/b')
    assert masks['mean'] == pytest.approx(2.7 / 4)
    assert masks['median'] == pytest.approx(0.7)
    assert list(masks['mean_by_background'].items()) == [
        ('sea', pytest.approx(0.4)),
        ('sky', pytest.approx(0.95)),
    ]
    assert (results['test_products'], results['test_backgrounds']) == (2, 2)
    json.dumps(results)


def test_text_says_how_much_the_results_are_worth(results: dict[str, Any]) -> None:
    """The text names numbers of pictures, products and backgrounds, intervals and both counts."""
    text = format_results(results)
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


def test_accuracy_has_wilsons_interval() -> None:
    """8 of 10: the interval by Wilson's formula with z = 1.959964."""
    z, n, p = 1.959964, 10, 0.8
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert accuracy(np.array([True] * 8 + [False] * 2)) == {
        'right': 8,
        'total': 10,
        'percent': 80,
        'low': pytest.approx(100 * (centre - half), abs=1e-3),
        'high': pytest.approx(100 * (centre + half), abs=1e-3),
    }


def test_comparison_counts_outcomes() -> None:
    """Hand-made answers: 3 both, 1 only first, 5 only second, 2 neither."""
    first = np.array([True] * 3 + [True] + [False] * 5 + [False] * 2)
    second = np.array([True] * 3 + [False] + [True] * 5 + [False] * 2)
    discordant, diff = 6 / 11, 4 / 11
    assert compare(first, second) == {
        'diff': pytest.approx(100 * diff),
        # The variance of the paired differences, each 1, 0 or -1, is E(d^2) - E(d)^2.
        'error': pytest.approx(100 * math.sqrt((discordant - diff**2) / 11)),
        'both': 3,
        'only_first': 1,
        'only_second': 5,
        'neither': 2,
        # Exact McNemar: at most 1 of 6 fair coin tosses, two-sided: 2 (1 + 6) / 64.
        'p_value': pytest.approx(2 * (1 + 6) / 2**6),
    }


def test_equal_answers_show_no_difference() -> None:
    """Without a picture that only one network has right, nothing speaks for a difference."""
    result = compare(np.array([True, False]), np.array([True, False]))
    assert (result['diff'], result['error'], result['p_value']) == (0, 0, 1)
