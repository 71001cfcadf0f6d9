"""Intersection over union, recomputed pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from bgremoval_mm.removal.masks.iou import iou, iou_of_areas


def test_iou_counts_pixels() -> None:
    """Pixels in both masks, divided by the pixels in either."""
    first, second = np.random.default_rng(0).random((2, 7, 9)) > 0.6
    pairs = list(zip(first.ravel().tolist(), second.ravel().tolist(), strict=True))
    both, either = sum(a and b for a, b in pairs), sum(a or b for a, b in pairs)
    assert iou(first, second) == both / either
    assert iou(first, first) == 1
    assert iou(first, ~first) == 0


def test_iou_of_nothing() -> None:
    """Two empty masks agree, unless the caller says otherwise."""
    nothing = np.zeros((2, 3), bool)
    assert iou(nothing, nothing) == 1
    assert np.isnan(iou(nothing, nothing, empty=np.nan))


def test_shapes_must_be_equal() -> None:
    """Masks are never broadcast."""
    with pytest.raises(ValueError, match=r'one shape, but got \(2, 3\) and \(3,\)'):
        iou(np.zeros((2, 3), bool), np.zeros(3, bool))


def test_iou_of_areas() -> None:
    """Elementwise; what occurs nowhere is NaN, or what the caller wants."""
    both, either = np.array([[1, 0], [0, 3]]), np.array([[4, 0], [2, 3]])
    np.testing.assert_array_equal(iou_of_areas(both, either), [[0.25, np.nan], [0, 1]])
    assert iou_of_areas(both, either, empty=-1).tolist() == [[0.25, -1], [0, 1]]
