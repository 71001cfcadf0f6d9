"""The metrics that an OpenMMLab run leaves in its work_dir.

    <work_dir>/<timestamp>/vis_data/scalars.json    JSON lines, training and validation mixed
    <work_dir>/<timestamp>/<timestamp>.json         test results, one JSON object

Every start (a resumption, a test) makes a new ``<timestamp>`` folder. A training line has the key
``iter``, a validation line has not; the ``step`` of a validation line is the epoch, or with
``LoggerHook(log_metric_by_epoch=False)`` the iteration. Numbers keep their metric's own unit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = [
    'DIFF_PREFIX',
    'SCALARS',
    'RunHistory',
    'ScalarLog',
    'TestResult',
    'read_metrics',
    'read_run',
    'read_scalars',
]

DIFF_PREFIX = 'diff/'
"""What ``DiffMetricsHook`` puts before a metric's name. Never read back: it is derived."""

SCALARS = 'scalars.json'
"""The file in which mmengine logs losses and validations, JSON lines."""

_T = TypeVar('_T')
_TIMESTAMP = re.compile(r'\d{8}_\d{6}')
_MODE_PREFIX = re.compile(r'^(val|test)/')  # written with LogProcessor(log_with_hierarchy=True)
_NOT_METRICS = frozenset({'step', 'epoch', 'time', 'data_time'})


@dataclass(frozen=True)
class ScalarLog:
    """The validations and training losses in one ``scalars.json``.

    Attributes:
        val: Step (epoch or iteration, from 1) to metric name to value.
        loss: Epoch, or iteration of a run without epochs, to its training losses.
        stepless: Number of validation records at step 0: ``runner.val()`` without training, or an
            iteration-based run that logs by epoch. They cannot be placed and are not in ``val``.
        damaged: Number of lines that are not JSON, such as the torn last line of a killed run.
    """

    val: dict[int, dict[str, float]] = field(default_factory=dict)
    loss: dict[int, list[float]] = field(default_factory=dict)
    stepless: int = 0
    damaged: int = 0


@dataclass(frozen=True)
class TestResult:
    """The result of one test.

    Attributes:
        file: Where it comes from; what else is known of the test lies beside it.
        metrics: Metric name to value; empty where the test gave none.
    """

    __test__ = False  # not a test for pytest to collect

    file: Path
    metrics: dict[str, float]


@dataclass(frozen=True)
class RunHistory:
    """What is known of a run, over all its starts.

    Attributes:
        work_dir: The folder that was read.
        val: Step (epoch or iteration) to metric name to value, in order of the steps.
        test: Metric name to value of the newest test, None if there is none.
        test_file: The file that ``test`` comes from.
        stepless: As in :class:`ScalarLog`, summed over the starts.
        damaged: As in :class:`ScalarLog`, summed over the starts.
        tests: All tests, the oldest first.
        loss: Epoch, or iteration of a run without epochs, to the mean of its training losses.
    """

    work_dir: Path
    val: dict[int, dict[str, float]]
    test: dict[str, float] | None = None
    test_file: Path | None = None
    stepless: int = 0
    damaged: int = 0
    tests: tuple[TestResult, ...] = ()
    loss: dict[int, float] = field(default_factory=dict)


def read_run(work_dir: str | Path) -> RunHistory:
    """Read the validations and the newest test result of a run.

    A start replaces what earlier ones recorded from its own first validation on, and of losses from
    its own first epoch on. A resumed run thus continues the earlier record, and a run started again
    in the same folder replaces it.

    Args:
        work_dir: The run's work_dir, or one of its timestamped folders.

    Returns:
        The history. A folder without records gives an empty one.

    Raises:
        FileNotFoundError: If ``work_dir`` is not a folder.
    """
    work_dir = Path(work_dir)
    if not work_dir.is_dir():
        msg = f'work_dir: there is no folder {printable(work_dir)}'
        raise FileNotFoundError(msg)
    val: dict[int, dict[str, float]] = {}
    tests: list[TestResult] = []
    losses: dict[int, list[float]] = {}
    stepless = damaged = 0
    for start in _starts(work_dir):
        scalars = start / 'vis_data' / SCALARS
        if scalars.is_file():
            log = read_scalars(scalars)
            stepless += log.stepless
            damaged += log.damaged
            val = _continued(val, log.val)
            losses = _continued(losses, log.loss)
        results = start / f'{start.name}.json'
        if results.is_file():
            try:
                tests.append(TestResult(results, numbers(_read_object(results))))
            except ValueError:  # killed while writing: the test before it still holds
                damaged += 1
    newest = next((each for each in reversed(tests) if each.metrics), None)
    return RunHistory(
        work_dir,
        dict(sorted(val.items())),
        newest.metrics if newest else None,
        newest.file if newest else None,
        stepless,
        damaged,
        tuple(tests),
        {step: sum(each) / len(each) for step, each in sorted(losses.items())},
    )


def _continued(earlier: dict[int, _T], start: Mapping[int, _T]) -> dict[int, _T]:
    """Return earlier records up to the first step of a later start, and those of the start."""
    begin = min(start, default=math.inf)
    return {step: each for step, each in earlier.items() if step < begin} | dict(start)


def read_scalars(path: str | Path) -> ScalarLog:
    """Read the validations and training losses of one ``scalars.json``.

    Args:
        path: The file, JSON lines.

    Returns:
        What was found; of two validations of a step the later one wins, metric by metric.
    """
    val: dict[int, dict[str, float]] = {}
    losses: dict[int, list[float]] = {}
    stepless = damaged = 0
    with Path(path).open(encoding='utf-8', errors='replace') as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                record = None
            if not isinstance(record, dict):
                damaged += 1
                continue
            if 'iter' in record:  # a training record
                if 'loss' in record:
                    at = record.get('epoch') or record.get('step') or record['iter']
                    losses.setdefault(int(at), []).append(float(record['loss']))
                continue
            metrics = numbers(record)
            step = record.get('step')
            if metrics and isinstance(step, int) and step > 0:
                val.setdefault(step, {}).update(metrics)
            elif metrics:
                stepless += 1
    return ScalarLog(dict(sorted(val.items())), losses, stepless, damaged)


def read_metrics(path: str | Path) -> dict[str, float]:
    """Read a JSON object of ``{metric: number}``, such as a test result.

    Args:
        path: The file. What is not a number (class-wise lists) is left out, as are times and
            differences.

    Returns:
        Metric name to value.

    Raises:
        ValueError: If the file is not a JSON object or holds no number.
    """
    metrics = numbers(_read_object(path))
    if not metrics:
        msg = f'{printable(path)} must hold one JSON object of metric names and numbers'
        raise ArgumentError(msg)
    return metrics


def _read_object(path: str | Path) -> dict[str, Any]:
    """Return the JSON object in a file; anything else is an ArgumentError."""
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as err:
        msg = f'{printable(path)} is not JSON: {printable(err)}'
        raise ArgumentError(msg) from err
    if not isinstance(content, dict):
        msg = f'{printable(path)} must hold one JSON object of metric names and numbers'
        raise ArgumentError(msg)
    return content


def numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a record: numbers only, without mode prefix, times and differences."""
    metrics = {
        _MODE_PREFIX.sub('', key): float(value)
        for key, value in record.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {
        key: value
        for key, value in metrics.items()
        if key not in _NOT_METRICS and not key.startswith(DIFF_PREFIX)
    }


def _starts(work_dir: Path) -> list[Path]:
    """Return the timestamped folders of a work_dir, oldest first."""
    if _TIMESTAMP.fullmatch(work_dir.name) and (work_dir / 'vis_data').is_dir():
        return [work_dir]
    folders = (path for path in work_dir.iterdir() if _TIMESTAMP.fullmatch(path.name))
    return sorted(path for path in folders if path.is_dir())
