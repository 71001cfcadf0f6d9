"""Intersection over union (IoU) of masks: pure functions of arrays."""

from __future__ import annotations

import numpy as np

__all__ = ['iou', 'iou_of_areas']


def iou(first: np.ndarray, second: np.ndarray, empty: float = 1.0) -> float:
    """Return the intersection over union of two masks, a fraction in [0, 1].

    Args:
        first: bool array of any shape, True where there is foreground.
        second: bool array of the same shape.
        empty: What is returned where neither has any foreground.

    Raises:
        ValueError: If the shapes differ.

    Examples:
        >>> iou(np.array([True, True, False]), np.array([True, False, False]))
        0.5
    """
    if first.shape != second.shape:
        msg = f'`first` and `second` must have one shape, but got {first.shape} and {second.shape}'
        raise ValueError(msg)
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else empty


def iou_of_areas(
    intersection: np.ndarray, union: np.ndarray, empty: float = float('nan')
) -> np.ndarray:
    """Return the IoU of each class, or of whatever the areas are counted by.

    Args:
        intersection: Number of pixels in both masks, an array of any shape.
        union: Number of pixels in either, of the same shape.
        empty: The result where the union is 0.

    Returns:
        float64 array of that shape, fractions in [0, 1].
    """
    result = np.full(np.shape(union), empty, float)
    np.divide(intersection, union, out=result, where=np.asarray(union) > 0)
    return result
