"""The summary as rows of text, for the console and the page."""

from __future__ import annotations

from collections.abc import Sequence

from bgremoval_mm.evaluation.statistics import Estimate
from bgremoval_mm.monitoring.drift import Drift
from bgremoval_mm.monitoring.summary import Row
from bgremoval_mm.utils.text import printable

__all__ = ['DRIFT_HEAD', 'ROW_HEAD', 'as_text', 'drift_cells', 'row_cells']

ROW_HEAD = ('cluster', 'model', 'masks', 'manual rate', 'accepted', 'corrected', 'rejected', 'IoU')
DRIFT_HEAD = ('figure', 'PSI', 'KS', 'p', 'reference', 'of late', '')


def row_cells(row: Row) -> tuple[str, ...]:
    """Return a row as text, in the columns of `ROW_HEAD`."""
    verdicts = (str(row.verdicts[name]) for name in ('accepted', 'corrected', 'rejected'))
    return (
        row.cluster,
        row.model,
        str(row.masks),
        _shown(row.manual_rate, 100, 1, ' %'),
        *verdicts,
        _shown(row.iou, 1, 3),
    )


def drift_cells(drift: Drift) -> tuple[str, ...]:
    """Return a figure's drift as text, in the columns of `DRIFT_HEAD`."""
    return (
        drift.figure,
        f'{drift.psi:.2f}',
        f'{drift.statistic:.2f}',
        f'{drift.p_value:.1g}',
        f'{drift.before:.4g}',
        f'{drift.after:.4g}',
        'has drifted' if drift.has_drifted else '',
    )


def as_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a terminal: the first column to the left, the others to the right."""
    cells = [[printable(each) for each in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        first, *others = (f'{each:<{w}}' if not i else f'{each:>{w}}'
                          for i, (each, w) in enumerate(zip(row, widths, strict=True)))  # fmt: skip
        lines.append('  '.join([first, *others]).rstrip())
    return '\n'.join(lines)


def _shown(found: Estimate | None, scale: float, digits: int, unit: str = '') -> str:
    if found is None:
        return '-'
    shown = f'{scale * found.mean:.{digits}f}{unit}'
    if found.low is None or found.high is None:
        return shown
    return f'{shown} ({scale * found.low:.{digits}f} to {scale * found.high:.{digits}f})'
