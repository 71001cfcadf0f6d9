"""Tests of whether a variant and its baseline differ, and their correction for many tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ['Discordance', 'check_pairs', 'holm', 'mcnemar']


@dataclass(frozen=True)
class Discordance:
    """McNemar's test.

    Attributes:
        gained: Images that only the variant got right.
        lost: Images that only the baseline got right.
        p: Two-sided probability of a split as uneven, if neither were better.
    """

    gained: int
    lost: int
    p: float


def mcnemar(original: np.ndarray, removed: np.ndarray) -> Discordance:
    """Test by McNemar's exact test whether one of two gets more images right.

    Of the images on which they differ, each would get half right if neither were better: a
    two-sided binomial test (McNemar, Psychometrika 12, 1947; exact form).

    Args:
        original: bool of shape (N,): the baseline, right or wrong.
        removed: The variant, of the same images.
    """
    check_pairs(original, removed)
    gained = int((removed & ~original).sum())
    lost = int((original & ~removed).sum())
    p = 1.0 if gained + lost == 0 else float(stats.binomtest(gained, gained + lost).pvalue)
    return Discordance(gained, lost, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number by Holm's method (Scand. J. Statist. 6, 1979).

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


def check_pairs(original: np.ndarray, removed: np.ndarray) -> None:
    """Check that two have values of the same images.

    Args:
        original: Values of the baseline, one an image, of any further axes.
        removed: Those of the variant.

    Raises:
        ValueError: If they cannot be of the same images.
    """
    if original.shape != removed.shape or original.size == 0:
        msg = (
            'a variant and its baseline must have values of the same images, but got shapes '
            f'{original.shape} and {removed.shape}'
        )
        raise ValueError(msg)
