"""The tables of an audit, for a terminal."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bgremoval_mm.analysis.background_audit.summary import Audit, ConditionScores
from bgremoval_mm.engine.comparison import unit
from bgremoval_mm.evaluation.statistics import Estimate

__all__ = ['as_text', 'retained_text', 'score_text']

_CLASSES = 10  # that are printed


def as_text(audit: Audit, width: int = 120) -> str:
    """Return the tables, and how they are to be read."""
    buffer = io.StringIO()
    # Names of classes may hold brackets and colons.
    console = Console(file=buffer, width=width, highlight=False, markup=False, emoji=False)
    trained = f'the model was trained on {audit.reference} ones'
    if audit.trained_on not in ('original', 'rembg'):
        trained = (
            f'the model was trained on {audit.trained_on}, and is compared with {audit.reference}'
        )
    console.print(f'{audit.images} test photos; {trained}')
    console.print(_score_table(audit))
    for note in _notes(audit):
        console.print(note)
    others = [name for name in audit.metrics[1:3] if name not in _leading(audit)]
    if others:
        console.print(_other_table(audit, others))
    dependence = audit.background_dependence()
    if dependence:
        other = dependence[0]['with']
        console.print(f'\nclasses that lose most when the background is {other}, {_unit(audit)}')
        console.print(_class_table(audit, dependence))
    return buffer.getvalue()


def retained_text(audit: Audit, condition: str, metric: str) -> str:
    """Return the share of the score that is retained; 'at chance' where a share says nothing."""
    if audit.is_at_chance(condition):
        return 'at chance'
    share = audit.retained(condition, metric)
    return '-' if share is None else f'{share:.0f} %'


def _leading(audit: Audit) -> list[str]:
    return audit.metrics[:1]


def _unit(audit: Audit) -> str:
    units = {'percent': 'in percent and percentage points', 'fraction': 'as fractions'}
    return units.get(unit(audit.metrics[0]) or '', 'in the unit of the metric')


def _score_table(audit: Audit) -> Table:
    """Return the leading metric under each condition, with its intervals."""
    (metric,) = _leading(audit)
    known = audit.uncertainty
    table = Table(box=box.SIMPLE)
    table.add_column('background')
    in_unit = unit(metric)
    table.add_column(metric if in_unit is None else f'{metric}, {in_unit}', justify='right')
    if known is not None:
        table.add_column('95 % over photos', justify='right')
        points = ', points' if in_unit == 'percent' else ''
        table.add_column(f'minus {audit.reference}{points}', justify='right')
        table.add_column('95 % over photos, paired', justify='right')
    table.add_column('retained', justify='right')
    for name, outcome in audit.outcomes.items():
        row = [name.replace('_', ' '), _score(outcome, metric)]
        if known is not None:
            change = known.changes.get(name)
            row += [_interval(known.scores.get(name), in_unit)]
            row += ['-' if change is None else f'{change.mean:+.{_digits(in_unit)}f}']
            row += [_interval(change, in_unit, '+')]
        table.add_row(*row, retained_text(audit, name, metric))
    return table


def _digits(in_unit: str | None) -> int:
    return 3 if in_unit == 'fraction' else 2


def score_text(score: float, in_unit: str | None, sign: str = '') -> str:
    """Return a score as intervals and the chart show it, with the same decimals in every row."""
    return format(score, sign + {'percent': '.1f', 'fraction': '.3f'}.get(in_unit or '', '.4g'))


def _interval(estimate: Estimate | None, in_unit: str | None, sign: str = '') -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return '-'
    return ' to '.join(score_text(each, in_unit, sign) for each in (estimate.low, estimate.high))


def _notes(audit: Audit) -> list[str]:
    """Return what the table alone does not say."""
    known = audit.uncertainty
    notes = []
    draws = max(len(outcome.draws) for outcome in audit.outcomes.values())
    if draws > 1:
        notes.append(
            f'±: standard deviation over {draws} draws of backgrounds, not the uncertainty of the '
            'score'
        )
    if known is None:
        notes.append('no intervals: there are no results photo by photo')
        return notes
    if known.chance is not None:
        notes.append(
            f'chance: {known.chance:.2f} (always the same answer); "at chance": the interval of '
            f'this score, or of {audit.reference}, reaches down to it'
        )
    if without := [name for name in audit.outcomes if name not in known.scores]:
        names = ', '.join(name.replace('_', ' ') for name in without)
        notes.append(f'no interval of {names}: nothing was detected, or results are missing')
    notes.append('one trained model: how much another training would change the scores is not here')
    return notes


def _other_table(audit: Audit, metrics: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column('background')
    for metric in metrics:
        in_unit = unit(metric)
        table.add_column(metric if in_unit is None else f'{metric}, {in_unit}', justify='right')
        table.add_column('retained', justify='right')
    for name, outcome in audit.outcomes.items():
        row = [name.replace('_', ' ')]
        for metric in metrics:
            row += [_score(outcome, metric), retained_text(audit, name, metric)]
        table.add_row(*row)
    return table


def _score(outcome: ConditionScores, metric: str) -> str:
    mean, deviation = outcome.mean(metric), outcome.deviation(metric)
    digits = _digits(unit(metric))
    if mean is None:
        return '-'
    spread = '' if deviation is None else f' ± {deviation:.{digits}f}'
    return f'{mean:.{digits}f}{spread}'


def _class_table(audit: Audit, dependence: Sequence[Mapping[str, Any]]) -> Table:
    shown = dependence[:_CLASSES]
    photos = {} if audit.uncertainty is None else audit.uncertainty.class_photos
    table = Table(box=box.SIMPLE)
    table.add_column('class')
    if photos:
        table.add_column('photos', justify='right')
    table.add_column('lost', justify='right')
    for name in audit.outcomes:
        table.add_column(name.replace('_', ' '), justify='right')
    for row in shown:
        count = [str(photos.get(row['class'], '-'))] if photos else []
        scores = [_number(row['scores'][name]) for name in audit.outcomes]
        table.add_row(row['class'], *count, _number(row['lost']), *scores)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return '-'
    return f'{value:.1f}' if abs(value) > 1 else f'{value:.3f}'
