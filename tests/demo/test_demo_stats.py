"""The demo's figures, recomputed from their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bgremoval_mm.demo.stats import Accuracy, Comparison, mask_iou


def test_iou_counts_pixels() -> None:
    """Random masks: intersection and union counted pixel by pixel, foreground above 127."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 7, 9), np.uint8)
    pairs = [(int(x) > 127, int(y) > 127) for x, y in zip(a.flat, b.flat, strict=True)]
    expected = sum(x and y for x, y in pairs) / sum(x or y for x, y in pairs)
    assert mask_iou(a, b) == pytest.approx(expected)
    assert 0 < expected < 1


def test_iou_at_its_ends() -> None:
    """Equal masks give 1, disjoint ones 0, two empty ones 1."""
    left = np.array([[255, 0]], np.uint8)
    assert mask_iou(left, left) == 1
    assert mask_iou(left, 255 - left) == 0
    assert mask_iou(left * 0, left * 0) == 1


def test_iou_refuses_masks_of_two_sizes() -> None:
    """Both shapes are named."""
    with pytest.raises(ValueError, match=r'\(2, 3\) and \(3, 2\)'):
        mask_iou(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))


def test_accuracy_has_wilsons_interval() -> None:
    """8 of 10: the interval by Wilson's formula with z = 1.959964."""
    accuracy = Accuracy.of([True] * 8 + [False] * 2)
    z, n, p = 1.959964, 10, 0.8
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert (accuracy.right, accuracy.total, accuracy.percent) == (8, 10, 80)
    assert accuracy.low == pytest.approx(100 * (centre - half), abs=1e-3)
    assert accuracy.high == pytest.approx(100 * (centre + half), abs=1e-3)
    assert '80.0 %   (8 of 10; 95 % interval 49.0 to 94.3)' in str(accuracy)


def test_accuracy_needs_answers() -> None:
    """No answers, no accuracy."""
    with pytest.raises(ValueError, match='at least one answer'):
        Accuracy.of([])


def test_comparison_counts_outcomes() -> None:
    """Hand-made answers: 3 both, 1 only first, 5 only second, 2 neither."""
    first = [True] * 3 + [True] + [False] * 5 + [False] * 2
    second = [True] * 3 + [False] + [True] * 5 + [False] * 2
    result = Comparison.of(first, second)
    assert (result.both, result.only_first, result.only_second, result.neither) == (3, 1, 5, 2)
    assert result.diff == pytest.approx(100 * (8 - 4) / 11)
    # The standard error of the mean of the differences, each 1, 0 or -1.
    differences = np.subtract(second, first, dtype=float)
    assert result.error == pytest.approx(100 * differences.std() / math.sqrt(11))
    # Exact McNemar: at most 1 of 6 fair coin tosses, two-sided: 2 (1 + 6) / 64.
    assert result.p_value == pytest.approx(2 * (1 + 6) / 2**6)


def test_equal_arms_show_no_difference() -> None:
    """Without a discordant picture there is no evidence of a difference."""
    result = Comparison.of([True, False], [True, False])
    assert (result.diff, result.error, result.p_value) == (0, 0, 1)


def test_arms_must_have_answered_the_same_pictures() -> None:
    """Both counts are named."""
    with pytest.raises(ValueError, match='got 2 and 1'):
        Comparison.of([True, False], [True])
