"""What there is to see: IoU and manual rate by cluster and model, over time, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bgremoval_mm.evaluation.proportions import accuracy_interval
from bgremoval_mm.evaluation.statistics import Estimate, bootstrap_mean
from bgremoval_mm.monitoring.drift import Drift, Reference, compare_figures
from bgremoval_mm.monitoring.series import DAY, Mask, Watched

__all__ = ['NOTE', 'Point', 'Row', 'Summary', 'summarise']

_LEAST = 5  # verdicts; of fewer, a bootstrap says nothing
_POINTS = 52  # weeks that are drawn
NOTE = (
    'IoU is that of reviewed masks: accepted ones count as 1, corrected ones by what was changed, '
    'rejected photos not at all. The gate sends the doubtful ones there, so it lies below that of '
    'all masks, and can be compared with itself only, as long as the gate stays as it is.'
)


@dataclass(frozen=True)
class Row:
    """A cluster and a model, within the window.

    Attributes:
        cluster: The cluster.
        model: Name of the network.
        masks: How many were made.
        manual_rate: Share of them that went to review, with Wilson's interval; None without masks.
        verdicts: How many masks were accepted, corrected, rejected.
        iou: Mean over those that were accepted or corrected, with the interval of a bootstrap.
    """

    cluster: str
    model: str
    masks: int
    manual_rate: Estimate | None
    verdicts: dict[str, int]
    iou: Estimate | None


@dataclass(frozen=True)
class Point:
    """The window that ends at a time.

    Attributes:
        at: Its end, seconds since the epoch.
        iou: Mean IoU of reviewed masks; None without a verdict.
        manual_rate: Share of masks that went to review; None without masks.
    """

    at: float
    iou: Estimate | None
    manual_rate: Estimate | None


@dataclass(frozen=True)
class Summary:
    """All there is to see.

    Attributes:
        at: When it was made, seconds since the epoch.
        window: Days that each figure is over.
        rows: By cluster and model.
        points: The figures of the last year, a week apart, by cluster and model.
        total: The row of all clusters and models together.
        drift: How the masks' figures differ from the reference's; None without a reference.
    """

    at: float
    window: float
    rows: list[Row]
    points: dict[tuple[str, str], list[Point]]
    total: Row
    drift: list[Drift] | None = field(default=None)

    def as_json(self) -> dict[str, Any]:
        """Return it as dicts and lists."""
        return {
            'at': self.at,
            'window_days': self.window,
            'note': NOTE,
            'clusters': [_row_json(row) for row in self.rows],
            'total': _row_json(self.total),
            'drift': None
            if self.drift is None
            else [{**vars(each), 'has_drifted': each.has_drifted} for each in self.drift],
        }


def summarise(
    watched: Watched,
    now: float,
    window: float = 28,
    reference: Reference | None = None,
    draw: bool = False,
) -> Summary:
    """Summarise what was recorded.

    Args:
        watched: All masks.
        now: Seconds since the epoch.
        window: Days that each figure is over.
        reference: Figures of the training set's masks.
        draw: Also return the points over time.
    """
    since = now - window * DAY
    recent = _between(watched.masks, since, now)
    rows = [_row(key, watched.masks, since, now) for key in watched.keys()]  # noqa: SIM118
    points: dict[tuple[str, str], list[Point]] = {}
    if draw:
        for key in watched.keys():  # noqa: SIM118
            points[key] = _points([m for m in watched.masks if m.key == key], now, window)
    drift = None if reference is None else compare_figures(reference, [m.figures for m in recent])
    shown = [row for row in rows if row.masks or sum(row.verdicts.values())]
    return Summary(now, window, shown, points, _row(None, watched.masks, since, now), drift)


def _between(masks: Sequence[Mask], since: float, until: float) -> list[Mask]:
    return [each for each in masks if since < each.at <= until]


def _row(key: tuple[str, str] | None, masks: Sequence[Mask], since: float, until: float) -> Row:
    mine = [each for each in masks if key in (None, each.key)]
    made = _between(mine, since, until)
    judged = [each for each in mine if each.verdict and since < each.judged <= until]
    verdicts = dict.fromkeys(('accepted', 'corrected', 'rejected'), 0)
    for each in judged:
        verdicts[each.verdict] = verdicts.get(each.verdict, 0) + 1
    cluster, model = ('all', 'all') if key is None else key
    return Row(cluster, model, len(made), _rate(made), verdicts, _iou(judged))


def _points(masks: Sequence[Mask], now: float, window: float) -> list[Point]:
    first = min(each.at for each in masks)
    # The clock of whoever made the first one may be ahead of this one.
    number = min(_POINTS, max(0, int((now - first) // (7 * DAY))) + 1)
    ends = [now - 7 * DAY * back for back in reversed(range(number))]
    found = []
    for end in ends:
        since = end - window * DAY
        judged = [each for each in masks if each.verdict and since < each.judged <= end]
        found.append(Point(end, _iou(judged), _rate(_between(masks, since, end))))
    return found


def _iou(judged: Sequence[Mask]) -> Estimate | None:
    values = np.array([each.iou for each in judged if each.iou is not None], float)
    if values.size == 0:
        return None
    if values.size < _LEAST or np.ptp(values) == 0:  # equal ones tell nothing of the spread
        return Estimate(float(values.mean()), None, None, values.size)
    return bootstrap_mean(values)


def _rate(made: Sequence[Mask]) -> Estimate | None:
    if not made:
        return None
    found = accuracy_interval(np.array([[each.reviewed for each in made]]))
    low, high = (None if each is None else each / 100 for each in (found.low, found.high))
    return Estimate(found.mean / 100, low, high, found.count)


def _row_json(row: Row) -> dict[str, Any]:
    return {
        **vars(row),
        'manual_rate': None if row.manual_rate is None else vars(row.manual_rate),
        'iou': None if row.iou is None else vars(row.iou),
    }
