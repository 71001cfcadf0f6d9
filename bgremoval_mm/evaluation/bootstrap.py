"""Intervals of scores, and of paired differences, by drawing images or clusters of them again.

A difference is "variant minus baseline", as in "removed minus original". Both see the same images
in the same order, and the two runs of a seed are a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bgremoval_mm.evaluation.estimates import Estimate, percentile_interval
from bgremoval_mm.evaluation.functional import mean_iou
from bgremoval_mm.evaluation.significance import check_pairs

__all__ = [
    'RESAMPLES',
    'accuracy_difference',
    'bootstrap_mean',
    'clustered_accuracy',
    'clustered_accuracy_difference',
    'draw_weights',
    'iou_difference',
    'iou_interval',
    'resampled_difference',
    'resampled_scores',
    'weight_blocks',
]

RESAMPLES = 2000
_DRAWN = 2**22  # numbers that are drawn at a time: 32 MiB, and as much for what they are made from


def accuracy_difference(
    original: np.ndarray, removed: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Return the difference of accuracies in percentage points, by a paired bootstrap.

    Each image's value is the mean over seeds of (variant right) - (baseline right); images are
    drawn with replacement, with the predictions of both and of all seeds. The interval is the
    percentiles' (Efron and Tibshirani 1993, ch. 13). It says how much the test images matter, not
    how much the seeds do.

    Args:
        original: bool of shape (S, N): the baseline, right or wrong, by seed and image.
        removed: The same of the variant.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    check_pairs(original, removed)
    values = (removed.astype(float) - original.astype(float)).mean(axis=0)
    return bootstrap_mean(100 * values, resamples, seed)


def bootstrap_mean(values: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Return the mean of one value an image, by a bootstrap over images.

    Args:
        values: Numbers of shape (N,).
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    blocks = weight_blocks(values.size, resamples, seed)
    draws = np.concatenate([weights @ values for weights in blocks]) / values.size
    return percentile_interval(float(values.mean()), draws, values.size)


def clustered_accuracy(
    right: np.ndarray, clusters: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Return an accuracy in percent, by a bootstrap over clusters, such as products.

    Photos of one product are right or wrong together, so that they say less than as many photos of
    different products. Whole clusters are drawn with replacement, with all their images; the
    accuracy is that of the images drawn (Davison and Hinkley, *Bootstrap Methods and their
    Application*, 1997, section 3.8). The interval is the percentiles'.

    Args:
        right: bool of shape (S, N): right or wrong, by seed and image.
        clusters: Cluster of each image, of any kind that can be sorted, shape (N,).
        resamples: How often clusters are drawn.
        seed: Of the draws.

    Returns:
        The estimate; its count is the number of clusters.
    """
    _check_clusters(right, clusters)
    return _clustered(right.astype(float).mean(axis=0), clusters, resamples, seed)


def clustered_accuracy_difference(
    original: np.ndarray,
    removed: np.ndarray,
    clusters: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return the difference of accuracies in percentage points, by a paired bootstrap of clusters.

    :func:`accuracy_difference` with clusters drawn in place of images; with one image a cluster
    both are the same.

    Args:
        original: bool of shape (S, N): the baseline, right or wrong, by seed and image; or shares
            of right, from 0 to 1.
        removed: The same of the variant.
        clusters: As of :func:`clustered_accuracy`.
        resamples: How often clusters are drawn.
        seed: Of the draws.

    Returns:
        The estimate; its count is the number of clusters.
    """
    check_pairs(original, removed)
    _check_clusters(removed, clusters)
    values = (removed.astype(float) - original.astype(float)).mean(axis=0)
    return _clustered(values, clusters, resamples, seed)


def iou_difference(
    original: np.ndarray, removed: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Return the difference of mIoU in percentage points, by a paired bootstrap over images.

    As :func:`accuracy_difference`; the areas of the drawn images are summed before IoU is taken,
    as the metric does, and the seeds' mIoU are averaged.

    Args:
        original: Numbers of shape (S, N, C, 4), of the baseline; the last axis as in
            :func:`mean_iou`.
        removed: The same of the variant.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    check_pairs(original, removed)
    count = original.shape[1]
    everything = np.ones((1, count))
    observed = float((_iou(removed, everything) - _iou(original, everything))[0])
    blocks = weight_blocks(count, resamples, seed)
    draws = [_iou(removed, weights) - _iou(original, weights) for weights in blocks]
    return percentile_interval(observed, np.concatenate(draws), count)


def iou_interval(areas: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Return the mIoU in percent of one model, by a bootstrap over images.

    Args:
        areas: Numbers of shape (S, N, C, 4), as :func:`iou_difference` takes them.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    count = areas.shape[1]
    draws = [_iou(areas, weights) for weights in weight_blocks(count, resamples, seed)]
    observed = float(_iou(areas, np.ones((1, count)))[0])
    return percentile_interval(observed, np.concatenate(draws), count)


def _iou(areas: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the mIoU, mean over S, of each row of how often the images count."""
    flat = areas.reshape(*areas.shape[:2], -1).astype(float)
    sums = np.einsum('rn,snk->srk', drawn, flat, optimize=True)
    mean: np.ndarray = mean_iou(sums.reshape(*sums.shape[:2], *areas.shape[2:])).mean(axis=0)
    return mean


def resampled_difference(
    score: Callable[[int, np.ndarray], float], count: int, resamples: int, seed: int = 0
) -> Estimate:
    """Return the difference of any score of a set of images, by a paired bootstrap.

    Args:
        score: Takes which it is (0 the baseline, 1 the variant) and indices of images, with
            repetitions, and returns its score on them.
        count: Number of images.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    (difference,) = resampled_scores(
        lambda drawn: np.array([score(1, drawn) - score(0, drawn)]), count, resamples, seed
    )
    return difference


def resampled_scores(
    scores: Callable[[np.ndarray], np.ndarray], count: int, resamples: int, seed: int = 0
) -> list[Estimate]:
    """Return any scores of a set of images, all by the same bootstrap.

    Args:
        scores: Takes indices of images, with repetitions, and returns the scores on them, floats of
            shape (K,).
        count: Number of images.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)
    draws = np.stack([scores(random.integers(0, count, count)) for _ in range(resamples)])
    observed = scores(np.arange(count))
    return [
        percentile_interval(float(each), drawn, count)
        for each, drawn in zip(observed, draws.T, strict=True)
    ]


def draw_weights(units: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Return how often each image counts in each draw of a bootstrap.

    Args:
        units: What is drawn as a whole, such as the product of each image, of any kind that can be
            sorted, shape (N,).
        resamples: How often units are drawn.
        seed: Of the draws.

    Returns:
        float64 of shape (resamples, N).
    """
    names, index = np.unique(units, return_inverse=True)
    return np.concatenate(list(weight_blocks(names.size, resamples, seed)))[:, index]


def weight_blocks(
    count: int, resamples: int, seed: int | np.random.Generator
) -> Iterator[np.ndarray]:
    """Draw how often each image counts, some draws at a time.

    All draws of a test of 100,000 images would need 3 GB. The numbers do not depend on how many
    are drawn at a time.

    Args:
        count: Number of images.
        resamples: How often images are drawn.
        seed: Of the draws, or what draws them.

    Returns:
        float64 of shape (some, count).
    """
    random = np.random.default_rng(seed)
    step = max(1, _DRAWN // count)
    for start in range(0, resamples, step):
        some = min(step, resamples - start)
        drawn = random.multinomial(count, np.full(count, 1 / count), size=some)
        yield np.asarray(drawn, float)


def _clustered(values: np.ndarray, clusters: np.ndarray, resamples: int, seed: int) -> Estimate:
    """Return the mean of the values in percent, by a bootstrap over their clusters."""
    _, index = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(index, values), np.bincount(index)
    blocks = weight_blocks(sums.size, resamples, seed)
    draws = np.concatenate([(weights @ sums) / (weights @ sizes) for weights in blocks])
    return percentile_interval(float(values.mean()) * 100, 100 * draws, sums.size)


def _check_clusters(right: np.ndarray, clusters: np.ndarray) -> None:
    if clusters.shape != right.shape[-1:] or clusters.size == 0:
        msg = (
            'every image must have a cluster, but got the shapes '
            f'{right.shape} and {clusters.shape}'
        )
        raise ValueError(msg)
