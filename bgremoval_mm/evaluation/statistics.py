"""How sure a difference of two arms is: intervals over seeds, tests on paired predictions.

Everything is "removed minus original". The arms see the same images in the same order, and the runs
of a seed are a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = [
    'Discordance',
    'Estimate',
    'accuracy_difference',
    'holm',
    'iou_difference',
    'mcnemar',
    'mean_iou',
    'resampled_difference',
    'seed_interval',
]

LEVEL = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        mean: The mean.
        low: Lower end of the 95 % interval; None where nothing is known of the spread.
        high: Upper end.
        count: Of how many values (seeds, images).
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def sign(self) -> int:
        """1 or -1 if the whole interval lies above or below 0, else 0 (also without interval)."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def seed_interval(values: Sequence[float]) -> Estimate:
    """Mean of one value a seed, with Student's t interval: mean +- t(0.975, n - 1) s / sqrt(n).

    For paired differences this is the paired t test's interval. With one seed there is none.

    Args:
        values: One a seed; at least one.

    Raises:
        ValueError: If there is no value.
    """
    array = np.asarray(values, float)
    if array.size == 0:
        msg = '`values` must have at least one value, but got none'
        raise ValueError(msg)
    mean = float(array.mean())
    if array.size == 1:
        return Estimate(mean, None, None, 1)
    half = float(stats.t.ppf((1 + LEVEL) / 2, array.size - 1) * stats.sem(array))
    return Estimate(mean, mean - half, mean + half, int(array.size))


@dataclass(frozen=True)
class Discordance:
    """McNemar's test.

    Attributes:
        gained: Images that only the removed arm got right.
        lost: Images that only the original arm got right.
        p: Two-sided probability of a split as uneven, if neither arm were better.
    """

    gained: int
    lost: int
    p: float


def mcnemar(original: np.ndarray, removed: np.ndarray) -> Discordance:
    """McNemar's exact test on which images each arm got right.

    Of the images on which the arms differ, each arm should have got half right by chance: a
    two-sided binomial test (McNemar, Psychometrika 12, 1947; exact form).

    Args:
        original: bool of shape (N,): right or wrong.
        removed: The same of the other arm, same images.
    """
    _check_pairs(original, removed)
    gained = int((removed & ~original).sum())
    lost = int((original & ~removed).sum())
    p = 1.0 if gained + lost == 0 else float(stats.binomtest(gained, gained + lost).pvalue)
    return Discordance(gained, lost, p)


def accuracy_difference(
    original: np.ndarray, removed: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Difference of accuracies in percentage points, with a paired bootstrap over images.

    Each image's value is the mean over seeds of (right in the removed arm) - (right in the original
    arm); images are drawn with replacement, both arms' and all seeds' predictions with them. The
    interval is the percentiles' (Efron and Tibshirani 1993, ch. 13). It says how much the test
    images matter, not how much the seeds do.

    Args:
        original: bool of shape (S, N): right or wrong, by seed and image.
        removed: The same of the other arm.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    _check_pairs(original, removed)
    values = (removed.astype(float) - original.astype(float)).mean(axis=0)
    draws = _weights(values.size, resamples, seed) @ values / values.size * 100
    return _percentiles(float(values.mean()) * 100, draws, values.size)


def mean_iou(areas: np.ndarray) -> np.ndarray:
    """mIoU in percent, as mmseg's IoUMetric: classes that occur nowhere are left out.

    Args:
        areas: Numbers of shape (..., C, 4): intersection, union, prediction, annotation, summed
            over images.

    Returns:
        Array of shape (...).
    """
    with np.errstate(invalid='ignore', divide='ignore'):
        ious = areas[..., 0] / areas[..., 1]
    mean: np.ndarray = np.nanmean(ious, axis=-1) * 100
    return mean


def iou_difference(
    original: np.ndarray, removed: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Difference of mIoU in percentage points, with a paired bootstrap over images.

    As :func:`accuracy_difference`; the areas of the drawn images are summed before IoU is taken,
    as the metric does, and the seeds' mIoU are averaged.

    Args:
        original: Numbers of shape (S, N, C, 4), see :func:`mean_iou`.
        removed: The same of the other arm.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    _check_pairs(original, removed)
    count = original.shape[1]
    weights = _weights(count, resamples, seed)

    def scores(areas: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        flat = areas.reshape(areas.shape[0], count, -1).astype(float)
        sums = np.einsum('rn,snk->srk', drawn, flat, optimize=True)
        mean: np.ndarray = mean_iou(sums.reshape(*sums.shape[:2], *areas.shape[2:])).mean(axis=0)
        return mean

    everything = np.ones((1, count))
    observed = float((scores(removed, everything) - scores(original, everything))[0])
    draws = scores(removed, weights) - scores(original, weights)
    return _percentiles(observed, draws, count)


def resampled_difference(
    score: Callable[[int, np.ndarray], float], count: int, resamples: int, seed: int = 0
) -> Estimate:
    """Difference of any score of a set of images, with a paired bootstrap over images.

    Args:
        score: Takes the arm (0 original, 1 removed) and indices of images, with repetitions, and
            gives the arm's score on them.
        count: Number of images.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)
    everything = np.arange(count)
    draws = []
    for _ in range(resamples):
        drawn = random.integers(0, count, count)
        draws.append(score(1, drawn) - score(0, drawn))
    return _percentiles(score(1, everything) - score(0, everything), np.array(draws), count)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number by Holm's method (Scand. J. Statist. 6, 1979).

    The k-th smallest of m is multiplied by m - k + 1, made at least as large as the one before
    it, and at most 1.
    """
    values = np.asarray(p_values, float)
    order = np.argsort(values)
    factors = np.arange(values.size, 0, -1)
    corrected = np.minimum(1.0, np.maximum.accumulate(values[order] * factors))
    result = np.empty_like(values)
    result[order] = corrected
    return [float(each) for each in result]


def _weights(count: int, resamples: int, seed: int) -> np.ndarray:
    """How often each image is drawn, shape (resamples, count)."""
    random = np.random.default_rng(seed)
    return random.multinomial(count, np.full(count, 1 / count), size=resamples).astype(float)


def _percentiles(observed: float, draws: np.ndarray, count: int) -> Estimate:
    low, high = np.nanpercentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Estimate(observed, float(low), float(high), count)


def _check_pairs(original: np.ndarray, removed: np.ndarray) -> None:
    if original.shape != removed.shape or original.size == 0:
        msg = (
            'both arms must have values of the same images, but got shapes '
            f'{original.shape} and {removed.shape}'
        )
        raise ValueError(msg)
