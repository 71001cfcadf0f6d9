"""What the claims of all works are judged with: intervals over seeds, and how they are shown.

A claim about a direction, or about more or less than a number, holds when the interval (Student's
over seeds, 95 %) lies on its side of 0, or of the number, does not hold when it (or one of several)
lies on the other, and is undecided otherwise, with one seed always.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bgremoval_mm.evaluation.statistics import Estimate, seed_interval
from bgremoval_mm.experiments.base import VerdictLabel
from bgremoval_mm.experiments.report.groups import Cell, Group

__all__ = ['Others', 'judge_signs', 'metric_gap', 'show', 'sign_of']

Others = Mapping[str, Group]
"""The groups of a work on the same dataset with the same options, by item."""


def sign_of(estimate: Estimate | None, border: float = 0) -> int | None:
    """Return the side of 0, or of a border, on which an interval lies; None if nothing was run."""
    return None if estimate is None else estimate.side_of(border)


def judge_signs(signs: Iterable[int | None], wanted: int | Iterable[int]) -> VerdictLabel:
    """Judge several signs: all must lie on the wanted side, and one on the other side refutes.

    Args:
        signs: 1, -1, 0 for an interval that includes 0, None for what was not run.
        wanted: 1 or -1, for all of them or for each.
    """
    signs = list(signs)
    sides = [wanted] * len(signs) if isinstance(wanted, int) else list(wanted)
    pairs = list(zip(signs, sides, strict=True))
    if any(sign == -side for sign, side in pairs):
        return 'does not hold'
    return 'holds' if pairs and all(sign == side for sign, side in pairs) else 'undecided'


def metric_gap(cell: Cell, variant: str, metric: str, other: str) -> Estimate | None:
    """Return the mean of one metric minus another of the same runs, over seeds.

    Args:
        cell: The experiment's results.
        variant: Name of the variant.
        metric: Key of the metric.
        other: Key of the one that is subtracted.

    Returns:
        The difference with its interval; None if no run has both.
    """
    first, second = cell.values(metric, variant), cell.values(other, variant)
    gaps = [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]
    return seed_interval(gaps) if gaps else None


def show(estimate: Estimate | None, digits: int = 2, sign: str = '+') -> str:
    """Return a difference with its interval, or with ``sign='-'`` a score with its, as text."""
    if estimate is None:
        return 'not run'
    mean = f'{estimate.mean:{sign}.{digits}f}'
    if estimate.low is None or estimate.high is None:
        return f'{mean} (one seed)' if estimate.count == 1 else f'{mean} (equal in all seeds)'
    return f'{mean} [{estimate.low:{sign}.{digits}f}, {estimate.high:{sign}.{digits}f}]'
