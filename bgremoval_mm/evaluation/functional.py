"""Scores from labels, predictions and areas: accuracy and IoU, over all classes or class by class.

Pure functions of arrays. All scores are in percent. The areas of a class are four numbers of
pixels: intersection, union, prediction and annotation, as mmseg's IoUMetric adds them up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bgremoval_mm.removal.masks.iou import iou_of_areas

__all__ = ['class_scores', 'classwise_accuracy', 'classwise_iou', 'mean_iou']


def classwise_accuracy(labels: np.ndarray, predictions: np.ndarray, count: int) -> np.ndarray:
    """Return the share of each class's images that are classified as that class (its recall).

    Args:
        labels: True classes, integers of shape (N,) in [0, count).
        predictions: Predicted classes, of the same kind.
        count: Number of classes.

    Returns:
        float64 of shape (count,), in percent; NaN for a class without images.
    """
    totals = np.bincount(labels, minlength=count)
    right = np.bincount(labels[labels == predictions], minlength=count)
    shares = np.full(count, np.nan)
    np.divide(100.0 * right, totals, out=shares, where=totals > 0)
    return shares


def classwise_iou(areas: np.ndarray) -> np.ndarray:
    """Return the IoU of each class.

    Args:
        areas: Numbers of shape (..., C, 4), summed over images.

    Returns:
        float64 of shape (..., C), in percent; NaN for a class that is neither annotated nor
        predicted.
    """
    return 100 * iou_of_areas(areas[..., 0], areas[..., 1])


def mean_iou(areas: np.ndarray) -> np.ndarray:
    """Return mIoU in percent, as mmseg's IoUMetric: classes that occur nowhere are left out.

    Args:
        areas: Numbers of shape (..., C, 4), summed over images.

    Returns:
        Array of shape (...).
    """
    mean: np.ndarray = np.nanmean(classwise_iou(areas), axis=-1)
    return mean


def class_scores(results: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Return the accuracy or IoU of each class, in percent, from the per-image results of a test.

    Args:
        results: The arrays that PerImageAccuracy or PerImageIoU wrote.

    Returns:
        Class to score; None for a class that is nowhere annotated, wherever the network sees it.
        Empty if the classes have no names.
    """
    names = results['classes'].tolist()
    if not names:
        return {}
    if 'areas' in results:
        areas = results['areas'].sum(axis=0)
        scores = np.where(areas[:, 3] > 0, classwise_iou(areas), np.nan)
    else:
        scores = classwise_accuracy(results['labels'], results['predictions'], len(names))
    return {
        name: None if np.isnan(score) else float(score)
        for name, score in zip(names, scores, strict=True)
    }
