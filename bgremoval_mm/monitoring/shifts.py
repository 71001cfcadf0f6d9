"""Telling a real change of the mean IoU from noise, week by week, at a stated false-alarm rate.

At the end of each week, the last 1, 2, 4, 8, 16 and 26 weeks of a cluster are each compared with
all that came before them, by a t-test. The level of a test is the rate of false alarms that is
allowed a year, divided by the number of tests a year over all clusters (Bonferroni), so the rate
holds however the tests depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['LOOKBACKS', 'WEEK', 'Found', 'Rule', 'Series', 'find_shifts', 'week_of']

WEEK = 7 * 86400.0
LOOKBACKS = (1, 2, 4, 8, 16, 26)
_WEEKS_A_YEAR = 52

Key = tuple[str, str]
"""Cluster and model."""


@dataclass(frozen=True)
class Rule:
    """When a mean has changed.

    Attributes:
        false_alarms: How many false ones are allowed a year, over all clusters together.
        smallest: Change of the mean IoU below which nothing is said, however sure it is.
        least: Verdicts that each side of a comparison must have.
    """

    false_alarms: float = 0.01
    smallest: float = 0.01
    least: int = 30

    def __post_init__(self) -> None:
        for name, low, high in (('false_alarms', 0.0, 12.0), ('smallest', 0.0, 1.0)):
            if not low < getattr(self, name) <= high:
                msg = f'`{name}` must be above {low:g} and at most {high:g}, but got '
                msg += f'{getattr(self, name)!r}'
                raise ArgumentError(msg)
        if self.least < 5:
            msg = f'`least` must be at least 5, but got {self.least!r}'
            raise ArgumentError(msg)

    def level(self, clusters: int) -> float:
        """Return the level of one test; half of it is for rises, which are no alarms."""
        return self.false_alarms / _WEEKS_A_YEAR / len(LOOKBACKS) / clusters


@dataclass(frozen=True)
class Series:
    """The verdicts on a network's masks in a cluster.

    Attributes:
        weeks: Number of the week of each verdict, see `week_of`, ascending; int of shape (n,).
        ious: IoU of each, fractions in [0, 1], of the same shape.
    """

    weeks: np.ndarray
    ious: np.ndarray

    def __post_init__(self) -> None:
        if self.weeks.shape != self.ious.shape or (np.diff(self.weeks) < 0).any():
            msg = '`weeks` and `ious` must have one shape, and `weeks` must ascend'
            raise ValueError(msg)


@dataclass(frozen=True)
class Found:
    """A change of a mean.

    Attributes:
        cluster: Where.
        model: Whose masks.
        period: Number of the week at whose end it was found.
        since: Number of the week from which the mean is another one.
        before: Mean before that.
        after: Mean from then on.
        p_value: Of the test, one-sided, not corrected.
    """

    cluster: str
    model: str
    period: int
    since: int
    before: float
    after: float
    p_value: float

    @property
    def is_drop(self) -> bool:
        """Whether the masks have become worse."""
        return self.after < self.before


def week_of(seconds: float) -> int:
    """Return the number of the week, counted from the epoch in steps of seven days."""
    return int(seconds // WEEK)


def find_shifts(
    series: Mapping[Key, Series],
    this_week: int,
    rule: Rule | None = None,
    known: Mapping[Key, int] | None = None,
) -> list[Found]:
    """Return the changes of the means, in the order of time.

    Once a change is found, what follows is compared with the weeks after that one alone, so that
    each is found once: they had no part in the finding, which picks weeks that look worse than they
    are, and dates the change only roughly.

    Args:
        series: By cluster and model.
        this_week: Number of the week under way, which is not looked at.
        rule: When a mean has changed; None is the default.
        known: `period` of the last change that is known already, by cluster and model.
    """
    rule = rule or Rule()
    totals = {key: _Totals(each) for key, each in series.items() if each.weeks.size}
    last = dict(known or {})
    if not totals:
        return []
    found = []
    for week in range(min(each.first for each in totals.values()), this_week):
        active = [key for key, each in totals.items() if each.is_active(week)]
        for key in active:
            since = last.get(key, totals[key].first - 1) + 1
            shift = totals[key].test(key, since, week, rule, rule.level(len(active)))
            if shift is not None:
                last[key] = week
                found.append(shift)
    return found


class _Totals:
    """Sums over the weeks of a series, from which each test follows at once."""

    def __init__(self, series: Series) -> None:
        self.first, self.last = int(series.weeks[0]), int(series.weeks[-1])
        weeks = series.weeks - self.first
        # Shifted by the overall mean, or the sums of squares would lose their last digits.
        self._middle = float(series.ious.mean())
        values = series.ious - self._middle
        size = self.last - self.first + 1
        parts = [np.bincount(weeks, each, size) for each in (np.ones_like(values), values)]
        parts.append(np.bincount(weeks, values**2, size))
        self._sums = np.concatenate([np.zeros((3, 1)), np.cumsum(parts, axis=1)], axis=1)

    def is_active(self, week: int) -> bool:
        """Return whether there was a verdict within the longest lookback."""
        return self.first <= week < self.last + LOOKBACKS[-1]

    def test(self, key: Key, since: int, week: int, rule: Rule, level: float) -> Found | None:
        """Compare the last weeks with those from `since` on."""
        starts = week + 1 - np.array(LOOKBACKS)
        starts = starts[starts > since]
        before, after = self._sides(since, starts, week, rule.least)
        gaps, p_values = _t_test(before, after)
        sure = (p_values <= level / 2) & (np.abs(gaps) >= rule.smallest)
        if not sure.any():
            return None
        surest = int(np.argmin(np.where(sure, p_values, np.inf)))
        # When it began: not only the lookbacks, but any week. An older change, of the other
        # direction or too small to be told, may be surer than the one that was found.
        starts = np.arange(since + 1, week + 1)
        before, after = self._sides(since, starts, week, rule.least)
        any_gaps, any_p_values = _t_test(before, after)
        alike = any_gaps * np.sign(gaps[surest]) >= rule.smallest
        best = int(np.argmin(np.where(alike, any_p_values, np.inf)))
        return Found(
            *key,
            week,
            int(starts[best]),
            self._middle + float(before[1, best] / before[0, best]),
            self._middle + float(after[1, best] / after[0, best]),
            float(p_values[surest]),
        )

    def _sides(
        self, since: int, starts: np.ndarray, week: int, least: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums before and from each start on; NaN where either has too few values."""
        at, low, high = (self._until(np.asarray(each)) for each in (starts, since, week + 1))
        before, after = at - low[:, None], high[:, None] - at
        few = (before[0] < least) | (after[0] < least)
        return np.where(few, np.nan, before), np.where(few, np.nan, after)

    def _until(self, week: np.ndarray) -> np.ndarray:
        """Return number, sum and sum of squares before a week, shape (3, ...)."""
        return self._sums[:, np.clip(week - self.first, 0, self._sums.shape[1] - 1)]


def _t_test(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences of means and their one-sided p values.

    The standard error is the larger one of Welch's and of the pooled one. IoU has a long tail
    below: of few verdicts without a bad one, Welch's is too small; with some, the pooled one is.

    Args:
        before: Number, sum and sum of squares of each comparison, shape (3, m); or NaN, which gives
            NaN.
        after: The same.
    """
    counts, sums, squares = np.stack([before, after], axis=1)
    means = sums / counts
    squares = squares - counts * means**2
    squares = np.maximum(squares, 0)
    welch = (squares / (counts - 1) / counts).sum(axis=0)
    pooled = squares.sum(axis=0) / (counts.sum(axis=0) - 2) * (1 / counts).sum(axis=0)
    gaps = means[1] - means[0]
    error = np.sqrt(np.maximum(np.maximum(welch, pooled), 1e-18))
    freedom = np.minimum(counts[0], counts[1]) - 1
    return gaps, stats.t.sf(np.abs(gaps) / error, freedom)
