"""A score, or a difference, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ['LEVEL', 'Estimate', 'percentile_interval', 'seed_interval']

LEVEL = 0.95
# Scores have six digits at most. What lies behind the ninth comes from the order of sums, and is
# neither a difference nor a sign.
_DIGITS = 9


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
        """The side of 0, see `side_of`."""
        return self.side_of(0)

    def side_of(self, border: float) -> int:
        """Return 1 or -1 if the whole interval lies above or below a border, else 0.

        Without an interval it is 0, too.
        """
        if self.low is None or self.high is None:
            return 0
        return int(self.low > border) - int(self.high < border)


def seed_interval(values: Sequence[float]) -> Estimate:
    """Return the mean of one value a seed, with Student's t interval.

    That is mean +- t(0.975, n - 1) s / sqrt(n). For paired differences this is the interval of the
    paired t test. With one seed there is none, and none where all values are equal: scores come in
    steps, of one image in a hundred for example, so that equal ones do not mean that there is no
    spread, but that it is not known.

    Args:
        values: One a seed; at least one.

    Raises:
        ValueError: If there is no value.
    """
    array = np.asarray(values, float)
    if array.size == 0:
        msg = '`values` must have at least one value, but got none'
        raise ValueError(msg)
    mean, count = float(array.mean()), int(array.size)
    if not _rounded(float(np.ptp(array))):
        return Estimate(_rounded(mean), None, None, count)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * stats.sem(array))
    return _estimate(mean, mean - half, mean + half, count)


def percentile_interval(observed: float, draws: np.ndarray, count: int) -> Estimate:
    """Return a value with the percentiles' interval of a bootstrap.

    Args:
        observed: The value.
        draws: The same of each draw, shape (R,).
        count: Of how many units.
    """
    if count < 2:  # every draw is the same one
        return Estimate(_rounded(observed), None, None, count)
    low, high = np.nanpercentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return _estimate(observed, float(low), float(high), count)


def _estimate(mean: float, low: float, high: float, count: int) -> Estimate:
    return Estimate(_rounded(mean), _rounded(low), _rounded(high), count)


def _rounded(value: float) -> float:
    return round(value, _DIGITS) + 0.0  # no -0.0, which is shown with its sign
