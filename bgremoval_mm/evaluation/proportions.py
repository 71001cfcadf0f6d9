"""Intervals of accuracies that hold for few images, too: Wilson's, and Newcombe's for pairs."""

from __future__ import annotations

import numpy as np
from scipy import stats

from bgremoval_mm.evaluation.statistics import LEVEL, Estimate, bootstrap_mean

__all__ = ['accuracy_interval', 'newcombe_difference']


def accuracy_interval(right: np.ndarray) -> Estimate:
    """Return the accuracy in percent of one model, with its 95 % interval over images.

    Of a single test it is Wilson's score interval (J. Am. Stat. Assoc. 22, 1927), which keeps its
    width where all images, or none, are right. Of several, such as several drawings of
    backgrounds, each image's value is the share of tests in which it was right, and the images are
    drawn with replacement.

    Args:
        right: bool of shape (S, N): right or wrong, by test and image.

    Raises:
        ValueError: If there is no image.
    """
    if right.size == 0:
        msg = f'`right` must have at least one test of one image, but has shape {right.shape}'
        raise ValueError(msg)
    if right.shape[0] > 1:
        return bootstrap_mean(100 * right.mean(axis=0))
    low, high = _wilson(right)
    return Estimate(100 * float(right.mean()), 100 * low, 100 * high, right.size)


def newcombe_difference(original: np.ndarray, removed: np.ndarray) -> Estimate:
    """Return the difference of accuracies, variant minus baseline, in percentage points.

    Where all images agree, a bootstrap draws the same difference every time, and its interval has
    no width. Newcombe's interval of paired proportions (Stat. Med. 17, 1998, p. 2635, method 10) is
    made from Wilson's intervals of both accuracies and the correlation between them.

    Args:
        original: bool of shape (N,): the baseline, right or wrong.
        removed: The same of the variant.

    Raises:
        ValueError: If the shapes differ, or there is no image.
    """
    if original.shape != removed.shape or original.size == 0:
        msg = (
            'a variant and its baseline must have values of the same images, but got shapes '
            f'{original.shape} and {removed.shape}'
        )
        raise ValueError(msg)
    first, second = float(original.mean()), float(removed.mean())
    (low1, high1), (low2, high2) = _wilson(original), _wilson(removed)
    phi = _correlation(original, removed)
    difference = second - first
    below, above = second - low2, high1 - first
    low = difference - np.sqrt(below**2 - 2 * phi * below * above + above**2)
    below, above = first - low1, high2 - second
    high = difference + np.sqrt(below**2 - 2 * phi * below * above + above**2)
    return Estimate(100 * difference, 100 * float(low), 100 * float(high), original.size)


def _correlation(original: np.ndarray, removed: np.ndarray) -> float:
    """Return phi of right and wrong; a positive one is corrected for continuity."""
    count = original.size
    both, neither = int((original & removed).sum()), int((~original & ~removed).sum())
    lost, gained = int((original & ~removed).sum()), int((removed & ~original).sum())
    margins = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    if margins == 0:
        return 0.0
    excess = float(both * neither - lost * gained)
    if excess > 0:
        excess = max(excess - count / 2, 0.0)
    return excess / float(np.sqrt(margins))


def _wilson(right: np.ndarray) -> tuple[float, float]:
    interval = stats.binomtest(int(right.sum()), right.size).proportion_ci(LEVEL, method='wilson')
    return float(interval.low), float(interval.high)
