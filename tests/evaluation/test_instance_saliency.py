"""A saliency map of what a detector finds."""

from __future__ import annotations

import numpy as np

from bgremoval_mm.evaluation.instance_saliency import instance_saliency


def test_each_pixel_has_the_score_of_the_surest_object() -> None:
    """Of one row of pixels; above a threshold it is the union of the objects above it."""
    masks = np.array([[[1, 1, 0, 0, 0]], [[0, 1, 1, 1, 0]], [[0, 0, 0, 1, 0]]], bool)
    scores = np.array([0.9, 0.3, 0.6])
    found = instance_saliency(masks, scores)
    assert found.tolist() == [[0.9, 0.9, 0.3, 0.6, 0.0]]
    assert np.array_equal(found > 0.5, masks[[0, 2]].any(axis=0))


def test_without_objects() -> None:
    """There is no foreground."""
    found = instance_saliency(np.zeros((0, 2, 3), bool), np.zeros(0))
    assert found.tolist() == [[0.0] * 3] * 2
