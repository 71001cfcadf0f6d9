"""A saliency map of what a detector finds, so that it can be scored as one of a segmentor."""

from __future__ import annotations

import numpy as np

__all__ = ['instance_saliency']


def instance_saliency(masks: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the score of the surest object on each pixel, 0 where there is none.

    Above a threshold, that is the union of the masks of the objects whose scores are above it.

    Args:
        masks: bool array of shape (N, H, W).
        scores: Float array of shape (N,), in [0, 1].

    Returns:
        float64 array of shape (H, W).
    """
    found = np.zeros(masks.shape[1:])
    for mask, score in zip(masks, scores, strict=True):
        np.maximum(found, float(score), out=found, where=mask.astype(bool))
    return found
