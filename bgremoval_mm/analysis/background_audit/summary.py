"""The result of an audit: the share of the score that each condition retains, and by class."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from bgremoval_mm.engine.comparison import unit

__all__ = ['Audit', 'ConditionScores', 'as_text']

_CLASSES = 10  # that are printed


@dataclass
class ConditionScores:
    """A model under one condition.

    Attributes:
        condition: See ChangeBackground.
        draws: Metrics of each draw of other backgrounds; of other conditions there is one.
        classes: Score of each class, mean over draws; None for a class without photos.
    """

    condition: str
    draws: list[dict[str, float]]
    classes: dict[str, float | None] = field(default_factory=dict)

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric over the draws, None if it was not measured."""
        values = [draw[metric] for draw in self.draws if metric in draw]
        return float(np.mean(values)) if values else None

    def deviation(self, metric: str) -> float | None:
        """Return the standard deviation over the draws (n - 1); None with one draw."""
        values = [draw[metric] for draw in self.draws if metric in draw]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None


@dataclass
class Audit:
    """A whole audit.

    Attributes:
        settings: What was audited, and how: another audit with the same settings is the same.
        trained_on: The variant that the config is of: 'original', 'rembg', or 'original + rembg'
            where joined test sets differ.
        images: Number of test photos.
        outcomes: By condition, in the order in which they were measured.
    """

    settings: dict[str, Any]
    trained_on: str
    images: int
    outcomes: dict[str, ConditionScores] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The condition that the model was trained under; of a mixture, the original photos."""
        return 'removed' if self.trained_on == 'rembg' else 'original'

    @property
    def metrics(self) -> list[str]:
        """Metrics of the reference condition, the leading one first."""
        outcome = self.outcomes.get(self.reference) or next(iter(self.outcomes.values()))
        names = list(outcome.draws[0])
        leading = [name for name in names if name in _LEADING]
        return [*leading, *(name for name in names if name not in leading)]

    def retained(self, condition: str, metric: str) -> float | None:
        """Return a condition's score in percent of the reference's; None if either is missing."""
        if self.reference not in self.outcomes or condition not in self.outcomes:
            return None
        reference = self.outcomes[self.reference].mean(metric)
        score = self.outcomes[condition].mean(metric)
        return None if not reference or score is None else score / reference * 100

    def background_dependence(self) -> list[dict[str, Any]]:
        """Rank classes by how much they lose with other photos' backgrounds.

        Without the condition 'replaced' the loss with the background removed (or, for a model that
        was trained on removed images, put back) counts.
        """
        other = next(
            (
                name
                for name in ('replaced', 'removed', 'original')
                if name in self.outcomes and name != self.reference
            ),
            None,
        )
        if self.reference not in self.outcomes or other is None:
            return []
        rows = []
        for name, score in self.outcomes[self.reference].classes.items():
            there = self.outcomes[other].classes.get(name)
            if score is None or there is None:
                continue
            scores = {
                condition: outcome.classes.get(name) for condition, outcome in self.outcomes.items()
            }
            rows.append({'class': name, 'lost': score - there, 'with': other, 'scores': scores})
        return sorted(rows, key=lambda row: -row['lost'])

    def as_json(self) -> dict[str, Any]:
        """Return everything, for a file."""
        metrics = self.metrics
        return {
            'settings': self.settings,
            'trained_on': self.trained_on,
            'images': self.images,
            'outcomes': {name: asdict(outcome) for name, outcome in self.outcomes.items()},
            'summary': {
                name: {
                    metric: {
                        'mean': outcome.mean(metric),
                        'deviation': outcome.deviation(metric),
                        'survives_percent': self.retained(name, metric),
                        'unit': unit(metric),
                    }
                    for metric in metrics
                }
                for name, outcome in self.outcomes.items()
            },
            'leaning': self.background_dependence(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Audit:
        """Read :meth:`as_json` back.

        Raises:
            KeyError, TypeError: If it is something else.
        """
        outcomes = {name: ConditionScores(**each) for name, each in content['outcomes'].items()}
        return cls(content['settings'], content['trained_on'], content['images'], outcomes)


_LEADING = ('accuracy/top1', 'coco/segm_mAP', 'coco/bbox_mAP', 'mIoU')


def as_text(audit: Audit, width: int = 110) -> str:
    """Return the tables for a terminal."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, highlight=False)
    trained = f'the model was trained on {audit.reference} ones'
    if audit.trained_on not in ('original', 'rembg'):
        trained = (
            f'the model was trained on {audit.trained_on}, and is compared with {audit.reference}'
        )
    console.print(f'{audit.images} test photos; {trained}')
    console.print(_score_table(audit, audit.metrics[:3]))
    dependence = audit.background_dependence()
    if dependence:
        other = dependence[0]['with']
        console.print(f'classes that lose most when the background is {other}')
        console.print(_class_table(audit, dependence))
    return buffer.getvalue()


def _score_table(audit: Audit, metrics: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column('background')
    for metric in metrics:
        table.add_column(metric, justify='right')
        table.add_column('retained', justify='right')
    for name, outcome in audit.outcomes.items():
        row = [name.replace('_', ' ')]
        for metric in metrics:
            row += [_score(outcome, metric), _percent(audit.retained(name, metric))]
        table.add_row(*row)
    return table


def _score(outcome: ConditionScores, metric: str) -> str:
    mean, deviation = outcome.mean(metric), outcome.deviation(metric)
    digits = 3 if unit(metric) == 'fraction' else 2
    if mean is None:
        return '-'
    spread = '' if deviation is None else f' ± {deviation:.{digits}f}'
    return f'{mean:.{digits}f}{spread}'


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{value:.0f} %'


def _class_table(audit: Audit, dependence: Sequence[Mapping[str, Any]]) -> Table:
    shown = dependence[:_CLASSES]
    table = Table(box=box.SIMPLE)
    table.add_column('class')
    table.add_column('lost', justify='right')
    for name in audit.outcomes:
        table.add_column(name.replace('_', ' '), justify='right')
    for row in shown:
        scores = [_number(row['scores'][name]) for name in audit.outcomes]
        table.add_row(row['class'], _number(row['lost']), *scores)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return '-'
    return f'{value:.1f}' if abs(value) > 1 else f'{value:.3f}'
