"""Reading the run, or the numbers, that a run is compared with."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgremoval_mm.engine.comparison import Score, best_scores, last_scores
from bgremoval_mm.engine.hooks.conditions import Conditions, read_conditions, unlike
from bgremoval_mm.engine.work_dir import SCALARS, numbers, read_run, read_scalars
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = ['Baseline', 'BaselineTest', 'load_baseline']


@dataclass(frozen=True)
class BaselineTest:
    """A test of the baseline.

    Attributes:
        source: Where it comes from.
        metrics: Metric name to value.
        conditions: What the test was made with, as far as it is known.
    """

    source: str
    metrics: Mapping[str, float]
    conditions: Conditions = field(default_factory=Conditions)


@dataclass(frozen=True)
class Baseline:
    """The values of the baseline.

    Attributes:
        source: Where they come from, for messages and files.
        best: Metric name to its best validation.
        last: Metric name to its last validation.
        test: Metric name to its newest test result; empty if there is none.
        val: Step (epoch or iteration) to metric name to value; empty if only results are known.
        fixed: Numbers without a step, which stand for every validation and for the test.
        stepless: Number of validation records that could not be placed (see ``ScalarLog``).
        tests: All tests with results, the newest first.
        empty_test: Whether there is a test that gave no metric, as mmdet's do that find nothing.
    """

    source: str
    best: Mapping[str, Score] = field(default_factory=dict)
    last: Mapping[str, Score] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    val: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    stepless: int = 0
    tests: tuple[BaselineTest, ...] = ()
    empty_test: bool = False

    def at(self, step: int) -> Mapping[str, float]:
        """Return the values to compare a validation at ``step`` with."""
        return self.fixed or self.val.get(step, {})

    def test_like(
        self, mine: Conditions, conditions: Collection[str]
    ) -> tuple[BaselineTest | None, list[str]]:
        """Return the newest test that a test can be compared with.

        Args:
            mine: What the test of this run is made with.
            conditions: Names of those that must be alike.

        Returns:
            The test, and sentences on how the newest of all differs, where it is another.
        """
        reasons: list[str] = []
        for test in self.tests:
            differences = unlike(test.conditions, mine)
            found = [text for name, text in differences.items() if name in conditions]
            if not found:
                return test, reasons
            reasons = reasons or found
        return None, reasons

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compare with."""
        return not (self.best or self.last or self.test)


def load_baseline(source: str | Path | Mapping[str, float]) -> Baseline:
    """Read a baseline.

    Args:
        source: A work_dir, a ``scalars.json``, a JSON object of ``{metric: number}``, a
            ``diff_metrics.json`` (its ``original`` side is taken), or the numbers themselves.
            Numbers are of a test with TTA only if they say so: ``"tta": true`` among them.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ArgumentError: If the file holds none of these.
    """
    if isinstance(source, Mapping):
        values = {name: float(value) for name, value in source.items() if name != 'tta'}
        return _fixed('numbers in the config', values, bool(source.get('tta', False)))
    path = Path(source)
    if path.is_dir():
        run = read_run(path)
        best, last = best_scores(run.val), last_scores(run.val)
        tests = tuple(
            BaselineTest(str(each.file), each.metrics, read_conditions(each.file.parent))
            for each in reversed(run.tests)
            if each.metrics
        )
        return Baseline(
            str(path),
            best,
            last,
            run.test or {},
            run.val,
            stepless=run.stepless,
            tests=tests,
            empty_test=len(tests) < len(run.tests),
        )
    if not path.is_file():
        msg = f'baseline: there is no file or folder {printable(path)}'
        raise FileNotFoundError(msg)
    content = _json_object(path)
    if content is None or 'step' in content:
        log = read_scalars(path)
        # A training that has yet to validate is a baseline, too, whatever it has written so far.
        if log.val or log.stepless or log.loss or path.name == SCALARS:
            best, last = best_scores(log.val), last_scores(log.val)
            return Baseline(str(path), best, last, val=log.val, stepless=log.stepless)
    elif isinstance(content.get('runs'), dict):  # a diff_metrics.json
        best, last, test = (
            _originals(content.get(part) or {}) for part in ('best', 'last', 'test')
        )
        values = {name: score.value for name, score in test.items()}
        about = content['runs'].get('test') or {}
        conditions = Conditions(about.get('tta'), about.get('images'))
        tests = (BaselineTest(str(path), values, conditions),) if values else ()
        return Baseline(str(path), best, last, values, tests=tests)
    elif metrics := numbers(content):
        return _fixed(str(path), metrics, content.get('tta') is True)
    msg = (
        f'baseline: {printable(path)} must be a work_dir, a scalars.json, a JSON object of metric '
        'names and numbers, or a diff_metrics.json'
    )
    raise ArgumentError(msg)


def _fixed(source: str, values: Mapping[str, float], tta: bool) -> Baseline:
    """Return a baseline of numbers without a step."""
    scores = {metric: Score(value) for metric, value in values.items()}
    test = BaselineTest(source, values, Conditions(tta=tta))
    return Baseline(source, scores, scores, values, fixed=values, tests=(test,))


def _originals(part: Mapping[str, Mapping[str, Any]]) -> dict[str, Score]:
    """Return the original side of one part of a ``diff_metrics.json``."""
    return {
        metric: Score(float(entry['original']), entry.get('original_step'))
        for metric, entry in part.items()
        if entry.get('original') is not None
    }


def _json_object(path: Path) -> dict[str, Any] | None:
    """Read the JSON object in a file, None if it is something else, such as JSON lines."""
    try:
        content = json.loads(path.read_text(encoding='utf-8', errors='replace'))
    except json.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None
