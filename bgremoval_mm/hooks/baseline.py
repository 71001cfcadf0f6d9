"""Reading the run, or the numbers, that a run is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgremoval_mm.reports.diff import Score, best_scores, last_scores
from bgremoval_mm.reports.runs import numbers, read_run, read_scalars

__all__ = ['Baseline', 'load_baseline']


@dataclass(frozen=True)
class Baseline:
    """The original arm's values.

    Attributes:
        source: Where they come from, for messages and files.
        best: Metric name to its best validation.
        last: Metric name to its last validation.
        test: Metric name to its test result; empty if there is none.
        val: Step (epoch or iteration) to metric name to value; empty if only results are known.
        fixed: Numbers without a step, which stand for every validation and for the test.
        stepless: Number of validation records that could not be placed (see ``ScalarLog``).
    """

    source: str
    best: Mapping[str, Score] = field(default_factory=dict)
    last: Mapping[str, Score] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    val: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    stepless: int = 0

    def at(self, step: int) -> Mapping[str, float]:
        """The values to compare a validation at ``step`` with."""
        return self.fixed or self.val.get(step, {})

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compare with."""
        return not (self.best or self.last or self.test)


def load_baseline(source: str | Path | Mapping[str, float]) -> Baseline:
    """Read a baseline.

    Args:
        source: A work_dir, a ``scalars.json``, a JSON object of ``{metric: number}``, a
            ``diff_metrics.json`` (its ``original`` side is taken), or the numbers themselves.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If the file holds none of these.
    """
    if isinstance(source, Mapping):
        return _fixed('numbers in the config', source)
    path = Path(source)
    if path.is_dir():
        run = read_run(path)
        best, last = best_scores(run.val), last_scores(run.val)
        return Baseline(str(path), best, last, run.test or {}, run.val, stepless=run.stepless)
    if not path.is_file():
        msg = f'baseline: there is no file or folder {path}'
        raise FileNotFoundError(msg)
    content = _json_object(path)
    if content is None or 'step' in content:
        log = read_scalars(path)
        if log.val or log.stepless:
            best, last = best_scores(log.val), last_scores(log.val)
            return Baseline(str(path), best, last, val=log.val, stepless=log.stepless)
    elif isinstance(content.get('runs'), dict):  # a diff_metrics.json
        best, last, test = (
            _originals(content.get(part) or {}) for part in ('best', 'last', 'test')
        )
        return Baseline(str(path), best, last, {name: score.value for name, score in test.items()})
    elif metrics := numbers(content):
        return _fixed(str(path), metrics)
    msg = (
        f'baseline: {path} must be a work_dir, a scalars.json, a JSON object of metric names and '
        'numbers, or a diff_metrics.json'
    )
    raise ValueError(msg)


def _fixed(source: str, metrics: Mapping[str, float]) -> Baseline:
    """A baseline of numbers without a step."""
    values = {metric: float(value) for metric, value in metrics.items()}
    scores = {metric: Score(value) for metric, value in values.items()}
    return Baseline(source, scores, scores, values, fixed=values)


def _originals(part: Mapping[str, Mapping[str, Any]]) -> dict[str, Score]:
    """The original side of one part of a ``diff_metrics.json``."""
    return {
        metric: Score(float(entry['original']), entry.get('original_step'))
        for metric, entry in part.items()
        if entry.get('original') is not None
    }


def _json_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, None if it is something else, such as JSON lines."""
    try:
        content = json.loads(path.read_text(encoding='utf-8', errors='replace'))
    except json.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None
