"""The differences of two tests on the same images, from their per-image results."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bgremoval_mm.evaluation.functional import mean_iou
from bgremoval_mm.evaluation.proportions import newcombe_difference
from bgremoval_mm.evaluation.query_results import query_differences, query_scores
from bgremoval_mm.evaluation.statistics import Estimate, accuracy_difference, iou_difference
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['OF_CLASS', 'RETRIEVAL', 'images_of_classes', 'main_score', 'score_differences']

OF_CLASS = 'accuracy/class/'
"""How ClasswiseAccuracy names the accuracy of a class."""

RETRIEVAL = 'retrieval/'
"""How QueryGalleryMetric names its metrics."""

PerImage = Mapping[str, np.ndarray]
"""What PerImageAccuracy, PerImageIoU or QueryGalleryMetric wrote."""


def main_score(results: PerImage) -> tuple[str, float]:
    """Return a metric that follows from per-image results, with its value in percent.

    Its value tells whether the results are those of a test.
    """
    if 'areas' in results:
        return 'mIoU', float(mean_iou(results['areas'].sum(axis=0)))
    if 'first_right' in results:
        return f'{RETRIEVAL}P@1', 100 * float(query_scores(results, 'P@1').mean())
    return 'accuracy/top1', float((results['labels'] == results['predictions']).mean() * 100)


def images_of_classes(results: PerImage) -> dict[str, int]:
    """Return the number of images of each class, by the name of its metric (classification)."""
    names = results['classes'].tolist() if 'labels' in results else []
    if not names:
        return {}
    counts = np.bincount(results['labels'], minlength=len(names))
    return {f'{OF_CLASS}{name}': int(n) for name, n in zip(names, counts, strict=True)}


def score_differences(original: PerImage, changed: PerImage) -> dict[str, Estimate]:
    """Return the differences of metrics in percentage points, with their 95 % interval over images.

    Of ``accuracy/top1`` and ``mIoU`` a paired bootstrap, of retrieval one over the items of the
    queries, of the accuracy of each class, which may have few images, Newcombe's interval.

    Args:
        original: Per-image results of the baseline.
        changed: Those of the other run.

    Returns:
        Metric name to difference; empty if the two were made on other images, or if images cannot
        be told apart by their names.
    """
    names = changed['names']
    if not np.array_equal(original['names'], names) or len(np.unique(names)) < len(names):
        return {}
    if 'areas' in original and 'areas' in changed:
        pair = (original['areas'][None], changed['areas'][None])
        return {'mIoU': iou_difference(*pair)} if pair[0].shape == pair[1].shape else {}
    if 'first_right' in original and 'first_right' in changed:
        try:
            found = query_differences(original, changed)
        except ArgumentError:  # other items, or other k
            return {}
        return {f'{RETRIEVAL}{name}': each for name, each in found.items()}
    same = 'labels' in original and 'labels' in changed
    if not same or not np.array_equal(original['labels'], changed['labels']):
        return {}
    labels = changed['labels']
    first, second = original['predictions'] == labels, changed['predictions'] == labels
    found = {'accuracy/top1': accuracy_difference(first[None], second[None])}
    for number, name in enumerate(changed['classes'].tolist()):
        mine = labels == number
        if mine.any():
            found[f'{OF_CLASS}{name}'] = newcombe_difference(first[mine], second[mine])
    return found
