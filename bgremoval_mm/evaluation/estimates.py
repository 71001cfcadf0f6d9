"""A score, or a difference, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ['LEVEL', 'Estimate', 'percentile_interval', 'seed_interval']

LEVEL = 0.95


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
    """Return the mean of one value a seed, with Student's t interval.

    That is mean +- t(0.975, n - 1) s / sqrt(n). For paired differences this is the interval of the
    paired t test. With one seed there is none.

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


def percentile_interval(observed: float, draws: np.ndarray, count: int) -> Estimate:
    """Return a value with the percentiles' interval of a bootstrap.

    Args:
        observed: The value.
        draws: The same of each draw, shape (R,).
        count: Of how many units.
    """
    if count < 2:  # every draw is the same one
        return Estimate(observed, None, None, count)
    low, high = np.nanpercentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Estimate(observed, float(low), float(high), count)
