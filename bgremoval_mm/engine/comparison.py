"""The arithmetic of "this run minus the original one": units, directions, best, last, the table."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from mmengine.hooks import CheckpointHook
from rich import box
from rich.console import Console
from rich.table import Table

__all__ = [
    'Comparison',
    'Score',
    'best_scores',
    'compare',
    'direction',
    'format_table',
    'is_value',
    'last_scores',
    'unit',
]

_PERCENT_PREFIXES = ('accuracy/', 'single-label/', 'multi-label/', 'retrieval/')  # mmpretrain
_PERCENT_NAMES = frozenset(  # mmseg's IoUMetric, which has no prefix unless the config gives one
    {'aAcc', 'mIoU', 'mAcc', 'mDice', 'mFscore', 'mPrecision', 'mRecall'}
)
_FRACTION_PREFIXES = ('coco/', 'lvis/', 'pascal_voc/')  # mmdet
# The codebases' own metric names that CheckpointHook's list does not know.
_GREATER_TOO = ('recall', 'f1-score', 'Fscore')


@dataclass(frozen=True)
class Score:
    """A metric's value and the epoch or iteration it was measured at (None: not known)."""

    value: float
    step: int | None = None


@dataclass(frozen=True)
class Comparison:
    """One metric of a run and its baseline, in the metric's own unit.

    Attributes:
        unit: 'percent' or 'fraction', None where the codebases do not say.
        original: The baseline's value.
        rembg: This run's value.
        diff: ``rembg - original``; None if either is no value.
    """

    unit: str | None
    original: Score
    rembg: Score
    diff: float | None

    def as_dict(self) -> dict[str, str | float | int | None]:
        """Return the JSON form. The steps are there where they are known."""
        content: dict[str, str | float | int | None] = {
            'unit': self.unit,
            'original': self.original.value,
            'rembg': self.rembg.value,
            'diff': self.diff,
        }
        if self.original.step is not None or self.rembg.step is not None:
            content |= {'original_step': self.original.step, 'rembg_step': self.rembg.step}
        return content


def unit(metric: str) -> str | None:
    """Return the unit that the codebases report a metric in.

    In percent: mmpretrain's ``accuracy/``, ``single-label/``, ``multi-label/`` and ``retrieval/``,
    mmseg's ``mIoU``, ``aAcc``, ``mAcc``, ``mDice``, ``mFscore``, ``mPrecision`` and ``mRecall``.
    Fractions: mmdet's ``coco/``, ``lvis/`` and ``pascal_voc/``.

    Returns:
        'percent', 'fraction' or None (not known).
    """
    name = metric.rsplit('/', 1)[-1]
    if name.startswith('support'):  # single-label/support counts images
        return None
    if metric.startswith(_FRACTION_PREFIXES):
        return 'fraction'
    if metric.startswith(_PERCENT_PREFIXES) or name in _PERCENT_NAMES:
        return 'percent'
    return None


@lru_cache(maxsize=1024)
def direction(metric: str) -> str | None:
    """Whether higher is better, decided by name as mmengine's ``CheckpointHook`` does.

    Returns:
        'greater', 'less', or None for a name that tells neither (such a metric has no best value).
    """
    greater = [*CheckpointHook._default_greater_keys, *_GREATER_TOO]
    try:
        rule: str = CheckpointHook(save_best=metric, greater_keys=greater).rules[0]
    except ValueError:
        return None
    return rule


def is_value(metric: str, value: float) -> bool:
    """Whether a number is a measurement: finite, and not COCO's -1 for "no such objects"."""
    return math.isfinite(value) and not (unit(metric) == 'fraction' and value < 0)


def best_scores(val: Mapping[int, Mapping[str, float]]) -> dict[str, Score]:
    """Each metric's best value over the validations; the earliest one of equals.

    Args:
        val: Step to metric name to value.

    Returns:
        Metric name to best score. Metrics without direction or without any value are left out.
    """
    best: dict[str, Score] = {}
    for step, metrics in sorted(val.items()):
        for metric, value in metrics.items():
            rule = direction(metric)
            if rule is None or not is_value(metric, value):
                continue
            if metric not in best or CheckpointHook.rule_map[rule](value, best[metric].value):
                best[metric] = Score(value, step)
    return best


def last_scores(val: Mapping[int, Mapping[str, float]]) -> dict[str, Score]:
    """Return the values of the last validation.

    Args:
        val: Step to metric name to value.

    Returns:
        Metric name to score; empty without validations.
    """
    if not val:
        return {}
    step = max(val)
    return {metric: Score(value, step) for metric, value in val[step].items()}


def compare(original: Mapping[str, Score], rembg: Mapping[str, Score]) -> dict[str, Comparison]:
    """Compare the metrics that both runs have, in the order of ``rembg``."""
    compared = {}
    for metric, mine in rembg.items():
        if metric not in original:
            continue
        theirs = original[metric]
        both = is_value(metric, mine.value) and is_value(metric, theirs.value)
        diff = mine.value - theirs.value if both else None
        compared[metric] = Comparison(unit(metric), theirs, mine, diff)
    return compared


def format_table(sections: Mapping[str, Mapping[str, Comparison]], step_unit: str = 'epoch') -> str:
    """Return a text table of comparisons.

    Args:
        sections: Name ('best', 'last', 'test') to metric name to comparison.
        step_unit: 'epoch' or 'iter'.

    Returns:
        The table, several lines without a trailing newline.
    """

    def cell(metric: str, score: Score) -> str:
        text = f'{score.value:.4g}' if is_value(metric, score.value) else '-'
        return text if score.step is None else f'{text} ({step_unit} {score.step})'

    table = Table('metric', 'which', box=box.ASCII2)
    for name in ('original', 'rembg', 'diff'):
        table.add_column(name, justify='right')
    table.add_column('unit')
    for section, comparisons in sections.items():
        for metric, each in comparisons.items():
            diff = '-' if each.diff is None else f'{each.diff:+.4g}'
            mine = cell(metric, each.rembg)
            table.add_row(
                metric, section, cell(metric, each.original), mine, diff, each.unit or '-'
            )
    text = io.StringIO()
    Console(file=text, width=160, color_system=None, markup=False).print(table)
    return '\n'.join(line.rstrip() for line in text.getvalue().rstrip().splitlines())
