"""This run minus its baseline: units, directions, best, last, the table and the report."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmengine.hooks import CheckpointHook
from rich import box
from rich.console import Console
from rich.table import Table

from bgremoval_mm.utils.json_io import write_json

__all__ = [
    'MetricDifference',
    'Score',
    'best_scores',
    'differences',
    'direction',
    'format_table',
    'is_value',
    'last_scores',
    'plain_name',
    'unit',
    'update_report',
]

_PERCENT_PREFIXES = ('accuracy/', 'single-label/', 'multi-label/', 'retrieval/')  # mmpretrain
# Of the former, those that count images.
_COUNTS = ('single-label/support', 'multi-label/support', 'retrieval/queries')
_PERCENT_NAMES = frozenset(  # mmseg's IoUMetric, which has no prefix unless the config gives one
    {'aAcc', 'mIoU', 'mAcc', 'mDice', 'mFscore', 'mPrecision', 'mRecall'}
)
_SALIENCY = 'saliency/'  # SaliencyMetric
_FRACTION_PREFIXES = ('coco/', 'lvis/', 'pascal_voc/', _SALIENCY)  # mmdet's, and ours
_ATTENTION = {'attention/score': 'greater', 'attention/std': None}  # AttentionScoreHook
# BackgroundTestLoop: mean and deviation of another metric over tests with other backgrounds.
_REPLACED, _REPLACED_STD = 'replaced/', 'replaced_std/'
# The codebases' own metric names that CheckpointHook's list does not know.
_GREATER_TOO = ('recall', 'f1-score', 'Fscore', 'P@1', 'hit@')


@dataclass(frozen=True)
class Score:
    """A metric's value and the epoch or iteration it was measured at (None: not known)."""

    value: float
    step: int | None = None


@dataclass(frozen=True)
class MetricDifference:
    """One metric of both runs of a pair, in the metric's own unit.

    Attributes:
        unit: 'percent' or 'fraction', None where the codebases do not say.
        original: The baseline's value.
        rembg: This run's value.
        diff: ``rembg - original``; None if either is no value. Of percentages it is in percentage
            points.
        images: Number of images that the metric is measured on; None: not known.
        interval: Ends of the difference's 95 % interval over images; None: not known.
    """

    unit: str | None
    original: Score
    rembg: Score
    diff: float | None
    images: int | None = None
    interval: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form. Steps, images and interval are there where they are known."""
        content: dict[str, Any] = {
            'unit': self.unit,
            'original': self.original.value,
            'rembg': self.rembg.value,
            'diff': self.diff,
        }
        if self.original.step is not None or self.rembg.step is not None:
            content |= {'original_step': self.original.step, 'rembg_step': self.rembg.step}
        if self.images is not None:
            content['images'] = self.images
        if self.interval is not None:
            content['interval_95_over_images'] = list(self.interval)
        return content


def plain_name(metric: str) -> str:
    """Return how a metric on replaced backgrounds is called on photos as they are.

    >>> plain_name('replaced/accuracy/top1')
    'accuracy/top1'
    """
    return metric.removeprefix(_REPLACED).removeprefix(_REPLACED_STD)


def unit(metric: str) -> str | None:
    """Return the unit that the codebases report a metric in.

    In percent: mmpretrain's ``accuracy/``, ``single-label/``, ``multi-label/`` and ``retrieval/``,
    mmseg's ``mIoU``, ``aAcc``, ``mAcc``, ``mDice``, ``mFscore``, ``mPrecision`` and ``mRecall``.
    Fractions: mmdet's ``coco/``, ``lvis/`` and ``pascal_voc/``; ``saliency/``; ``attention/score``.
    On replaced backgrounds (``replaced/``, ``replaced_std/``) a metric has its own unit.

    Returns:
        'percent', 'fraction' or None (not known).
    """
    metric = plain_name(metric)
    if metric in _ATTENTION:
        return 'fraction'
    if metric.startswith(_COUNTS):
        return None
    if metric.startswith(_FRACTION_PREFIXES):
        return 'fraction'
    if metric.startswith(_PERCENT_PREFIXES) or metric.rsplit('/', 1)[-1] in _PERCENT_NAMES:
        return 'percent'
    return None


@lru_cache(maxsize=1024)
def direction(metric: str) -> str | None:
    """Tell whether higher is better, by name, as mmengine's ``CheckpointHook`` does.

    Returns:
        'greater', 'less', or None for a name that tells neither (such a metric has no best value).
    """
    if metric.startswith(_REPLACED_STD):
        return None
    if metric in _ATTENTION:
        return _ATTENTION[metric]
    if metric.removeprefix(_REPLACED).startswith(_SALIENCY):
        return 'less' if metric.split(_SALIENCY)[1].partition('/')[0] == 'MAE' else 'greater'
    greater = [*CheckpointHook._default_greater_keys, *_GREATER_TOO]
    try:
        rule: str = CheckpointHook(save_best=metric, greater_keys=greater).rules[0]
    except ValueError:
        return None
    return rule


def is_value(metric: str, value: float) -> bool:
    """Tell whether a number is a measurement: finite, and not COCO's -1 for "no such objects"."""
    if metric in _ATTENTION:  # below 0 where a network prefers the background
        return math.isfinite(value)
    return math.isfinite(value) and not (unit(metric) == 'fraction' and value < 0)


def best_scores(val: Mapping[int, Mapping[str, float]]) -> dict[str, Score]:
    """Find each metric's best value over the validations; the earliest one of equals.

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


def differences(
    original: Mapping[str, Score], rembg: Mapping[str, Score]
) -> dict[str, MetricDifference]:
    """Compare the metrics that both runs have, in the order of ``rembg``."""
    compared = {}
    for metric, mine in rembg.items():
        if metric not in original:
            continue
        theirs = original[metric]
        both = is_value(metric, mine.value) and is_value(metric, theirs.value)
        diff = mine.value - theirs.value if both else None
        compared[metric] = MetricDifference(unit(metric), theirs, mine, diff)
    return compared


def format_table(
    sections: Mapping[str, Mapping[str, MetricDifference]],
    step_unit: str = 'epoch',
    seeds: tuple[object, object] = (None, None),
) -> str:
    """Draw a text table of differences, with notes on how they are to be read.

    Args:
        sections: Name ('best', 'last', 'test') to metric name to difference.
        step_unit: 'epoch' or 'iter'.
        seeds: Seeds of the baseline and of this run; None: not fixed, or not known.

    Returns:
        The table and its notes, several lines without a trailing newline.
    """

    def cell(metric: str, score: Score) -> str:
        text = f'{score.value:.4g}' if is_value(metric, score.value) else '-'
        return text if score.step is None else f'{text} ({step_unit} {score.step})'

    every = [each for metrics in sections.values() for each in metrics.values()]
    has_intervals = any(each.interval for each in every)
    table = Table('metric', 'which', box=box.ASCII2)
    for name in ('original', 'rembg', 'diff', *(['95 % over images'] if has_intervals else [])):
        table.add_column(name, justify='right')
    table.add_column('unit')
    table.add_column('images', justify='right')
    for section, metrics in sections.items():
        for metric, each in metrics.items():
            diff = '-' if each.diff is None else f'{each.diff:+.4g}'
            if each.diff is not None and each.unit == 'percent':
                diff += ' pp'
            row = [metric, section, cell(metric, each.original), cell(metric, each.rembg), diff]
            row += [_interval(each)] if has_intervals else []
            images = '-' if each.images is None else f'{each.images:,}'
            table.add_row(*row, each.unit or '-', images)
    text = io.StringIO()
    Console(file=text, width=160, color_system=None, markup=False).print(table)
    lines = [line.rstrip() for line in text.getvalue().rstrip().splitlines()]
    return '\n'.join(lines + _notes(every, seeds))


def _interval(each: MetricDifference) -> str:
    return '-' if each.interval is None else f'{each.interval[0]:+.3g} to {each.interval[1]:+.3g}'


def _notes(every: Sequence[MetricDifference], seeds: tuple[object, object]) -> list[str]:
    """Return what the table alone does not say."""
    notes = []
    if any(each.diff is not None and each.unit == 'percent' for each in every):
        notes.append('diff: rembg minus original; pp: percentage points.')
    if any(each.interval for each in every):
        notes.append('95 % over images: would other test images give a similar difference?')
    known = ['not known' if seed is None else f'seed {seed}' for seed in seeds]
    notes.append(
        f'One run each (original: {known[0]}, rembg: {known[1]}): how much a difference varies '
        'with the seed is not in this table.'
    )
    return notes


def update_report(
    path: Path,
    part: str,
    sections: Mapping[str, Mapping[str, MetricDifference]],
    about: Mapping[str, Any],
) -> None:
    """Put differences into a ``diff_metrics.json``, which keeps its other part.

    Args:
        path: The file.
        part: 'train' or 'test'.
        sections: See `format_table`.
        about: What is to be known of the run that they come from.
    """
    content = _read_report(path)
    for name, metrics in sections.items():
        content[name] = {metric: each.as_dict() for metric, each in metrics.items()}
    content.setdefault('runs', {})[part] = dict(about)
    write_json(path, content)


def _read_report(path: Path) -> dict[str, Any]:
    """Read an earlier ``diff_metrics.json``; empty if there is none or it is something else."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (FileNotFoundError, ValueError):
        return {}
    is_report = isinstance(content, dict) and isinstance(content.get('runs'), dict)
    return content if is_report else {}
