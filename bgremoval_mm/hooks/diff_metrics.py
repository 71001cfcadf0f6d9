"""The difference between a run and the same run on the original images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import IterBasedTrainLoop, Runner

from bgremoval_mm.hooks.baseline import Baseline
from bgremoval_mm.hooks.conditions import (
    Conditions,
    conditions_of,
    removals,
    write_conditions,
)
from bgremoval_mm.hooks.original_arm import OriginalArm
from bgremoval_mm.registry import HOOKS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.text import printable
from bgremoval_mm.reports.diff import (
    Comparison,
    Score,
    best_scores,
    compare,
    format_table,
    last_scores,
)
from bgremoval_mm.reports.json_file import write_json
from bgremoval_mm.reports.runs import DIFF_PREFIX, read_run

__all__ = ['DiffMetricsHook']


# `force` replaces the stand-in of bgremoval_mm.hooks.
@HOOKS.register_module(force=True)
class DiffMetricsHook(Hook):
    """Compare this run with the same run on the original images.

    At every validation for which the baseline has a value of the same epoch (or iteration), the
    difference, this run minus the baseline, is logged as ``diff/<metric>`` through the message hub,
    and so reaches the log line, ``scalars.json`` and TensorBoard. At the end of training and of
    testing a table is logged and ``diff_metrics.json`` written to the work_dir: best with best and
    last with last validation, each with its epochs, and test with test. Metrics stay in their own
    unit. Two runs may go on side by side: the baseline is read anew each time.

    Args:
        baseline: ``'auto'`` takes the folder beside this work_dir that is named like it without
            ``-rembg``, or like the config without it, else the latter in ``work_dirs``. Or a
            work_dir, a ``scalars.json``, a JSON file of ``{metric: number}`` (what
            ``tools/test.py --out`` writes), a ``diff_metrics.json`` (its ``original`` side), or a
            dict of numbers. Numbers without an epoch are compared with every validation and with
            the test. Defaults to 'auto'.
        metrics: The metrics to compare. Defaults to None, all that both runs have.
        strict: Whether a missing baseline is an error before training or testing starts. Defaults
            to False, a warning that tells how to make it.

    Raises:
        TypeError, ValueError: If an argument is not as above; ``ValueError`` at the first
            validation or test too, if it has none of a metric in ``metrics``.
        FileNotFoundError: Before training or testing, if ``strict`` and there is no baseline.

    Examples:
        >>> custom_hooks = [dict(type='DiffMetricsHook')]
        >>> custom_hooks = [dict(type='DiffMetricsHook', metrics=['accuracy/top1'], strict=True)]
        >>> custom_hooks = [dict(type='DiffMetricsHook', baseline={'accuracy/top1': 91.2})]
    """

    # After RuntimeInfoHook has put the metrics into the message hub, before LoggerHook takes them.
    priority = 'NORMAL'

    def __init__(
        self,
        baseline: str | Path | Mapping[str, float] = 'auto',
        metrics: Sequence[str] | None = None,
        strict: bool = False,
    ) -> None:
        self.baseline = _checked_baseline(baseline)
        self.metrics = _checked_metrics(metrics)
        self.strict = strict
        self._history: dict[int, dict[str, float]] = {}
        self._training = False
        self._told = False
        self._arm: OriginalArm | None = None
        self._step_unit = 'epoch'
        self._empty_validations = 0

    def before_train(self, runner: Runner) -> None:
        """Check the baseline and, in a resumed run, recall its earlier validations."""
        self._training = True
        self._step_unit = 'epoch' if _logs_by_epoch(runner) else 'iter'
        self._history = {}
        self._empty_validations = 0
        begin = self._step(runner)
        if begin > 0:
            self._history = {
                step: {name: value for name, value in values.items() if self._wants(name)}
                for step, values in read_run(runner.work_dir).val.items()
                if step <= begin
            }
        self._check(runner, 'train')

    def before_test(self, runner: Runner) -> None:
        """Check that the baseline has test results."""
        self._check(runner, 'test', conditions_of(runner))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the differences at this epoch (or iteration)."""
        if not self._training:
            return
        if not metrics:  # as of mmdet, where no object was found
            self._empty_validations += 1
            return
        values = self._select(runner, 'val', metrics)
        step = self._step(runner)
        self._history[step] = values
        baseline = self._load()
        _publish(runner, 'val', values, baseline.at(step) if baseline else {})

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the differences of the test and write them."""
        mine = conditions_of(runner)
        if is_main_process():
            write_conditions(runner, mine)
        if not metrics:
            self._no_difference(runner, 'this test gave no metric: was nothing found in it?')
            return
        values = self._select(runner, 'test', metrics)
        baseline = self._load()
        if baseline is None or self._arm is None:
            _publish(runner, 'test', values, {})
            self._no_difference(runner, 'there is no run of it')
            return
        test, why = self._arm.test_like(baseline, mine)
        _publish(runner, 'test', values, test.metrics if test else {})
        if test is None:
            self._no_difference(runner, why)
            return
        compared = compare(_scores(test.metrics), _scores(values))
        about = {
            'tta': mine.tta,
            'images': mine.images,
            'removal': mine.removal,
            'baseline_test': test.source,
        }
        self._report(runner, baseline, 'test', {'test': compared}, about)

    def after_train(self, runner: Runner) -> None:
        """Compare best with best and last with last, and write it."""
        self._training = False
        baseline = self._load()
        if not self._history:
            if self._empty_validations:
                why = 'no validation of this run gave a metric: was nothing found in them?'
                self._no_difference(runner, why)
            return
        if baseline is None:
            self._no_difference(runner, 'there is no run of it')
            return
        best = compare(baseline.best, best_scores(self._history))
        last = compare(baseline.last, last_scores(self._history))
        lengths = {(each.original.step, each.rembg.step) for each in last.values()}
        for theirs, mine in sorted(lengths, key=str):
            if theirs is not None and theirs != mine:
                unit = self._step_unit
                runner.logger.warning(
                    'The two arms have not run equally long: the last validation of %s is of %s '
                    '%d, that of this run of %s %d. "best" and "last" compare a longer with a '
                    'shorter training.',
                    *(printable(baseline.source), unit, theirs, unit, mine),
                )
        about = {'removal': removals(runner.train_dataloader.dataset)}
        self._report(runner, baseline, 'train', {'best': best, 'last': last}, about)

    def _no_difference(self, runner: Runner, why: str) -> None:
        """Say why there is no difference, to who might wait for one."""
        if self._arm is not None and self._arm.exists and is_main_process():
            runner.logger.warning('No difference to the original arm: %s.', why)

    def _report(
        self,
        runner: Runner,
        baseline: Baseline,
        part: str,
        sections: dict[str, dict[str, Comparison]],
        conditions: Mapping[str, Any],
    ) -> None:
        """Log a table and put the sections into ``diff_metrics.json``, keeping the other part."""
        source = printable(baseline.source)
        if not any(sections.values()):
            runner.logger.warning(
                'DiffMetricsHook: %s and this %s have no metric in common.', source, part
            )
            return
        table = format_table(sections, self._step_unit)
        runner.logger.info('Difference to the original arm (%s):\n%s', source, table)
        path = Path(runner.work_dir) / 'diff_metrics.json'
        content = _read_report(path)
        content.update(
            {
                name: {metric: each.as_dict() for metric, each in compared.items()}
                for name, compared in sections.items()
            }
        )
        # A test may use another config, seed or baseline than the training it follows.
        about = {
            'baseline': baseline.source,
            'config': runner.cfg.filename,
            'seed': runner.seed,
            'timestamp': runner.timestamp,
            **conditions,
        }
        if part == 'train':
            about['step_unit'] = self._step_unit
        else:
            about['checkpoint'] = runner.cfg.get('load_from')
        content.setdefault('runs', {})[part] = about
        write_json(path, content)

    def _select(self, runner: Runner, phase: str, metrics: Mapping[str, Any]) -> dict[str, float]:
        """The numbers to compare, as mmengine writes them to ``scalars.json``."""
        values = {
            name: _as_logged(runner, phase, name, float(value))
            for name, value in metrics.items()
            if _is_number(value)
        }
        if self.metrics is None:
            return values
        missing = [name for name in self.metrics if name not in values]
        if missing:
            msg = (
                f'DiffMetricsHook: `metrics` names {missing}, which this {phase} does not give; '
                f'it gives {sorted(values)}'
            )
            raise ArgumentError(msg)
        return {name: values[name] for name in self.metrics}

    def _wants(self, metric: str) -> bool:
        """Whether a metric is to be compared."""
        return self.metrics is None or metric in self.metrics

    def _step(self, runner: Runner) -> int:
        """The epoch or iteration that LoggerHook files a validation under."""
        return int(runner.epoch if self._step_unit == 'epoch' else runner.iter)

    def _check(self, runner: Runner, part: str, conditions: Conditions | None = None) -> None:
        """Find the arm to compare with, and say, on all processes alike, what it lacks."""
        self._arm = OriginalArm(self.baseline, runner.cfg.filename, runner.work_dir)
        if not self._arm.exists and not self._told:
            self._told = True
            runner.logger.info(
                'DiffMetricsHook: neither the config nor the work_dir of this run is called '
                '`-rembg`, so there is no original arm to compare with.'
            )
        # Only the main process looks, since the others may see another file system; all of them
        # stop, since one alone would leave the others waiting.
        findings: list[Exception | None] = [None]
        if is_main_process():
            try:
                problem = self._arm.problem(part, self.metrics, conditions)
                findings = [FileNotFoundError(problem) if problem else None]
            except ValueError as err:  # nothing that time can mend
                findings = [err]
        broadcast_object_list(findings)
        finding = findings[0]
        if isinstance(finding, ValueError) or (finding is not None and self.strict):
            raise finding
        if finding is not None:
            runner.logger.warning(str(finding))

    def _load(self) -> Baseline | None:
        """The baseline as it is now; None if there is none yet, and on all but one process."""
        return self._arm.load() if self._arm and is_main_process() else None


def _checked_baseline(baseline: Any) -> str | Mapping[str, float]:
    """The baseline, checked as far as it can be without a run."""
    if isinstance(baseline, str | Path):
        return str(baseline)
    if not isinstance(baseline, Mapping):
        msg = (
            "`baseline` must be 'auto', a path or a dict of metric names and numbers, "
            f'but got {baseline!r}'
        )
        raise TypeError(msg)
    tta = baseline.get('tta')
    numbers = {key: value for key, value in baseline.items() if key != 'tta'}
    wrong = {key: value for key, value in numbers.items() if not _is_number(value)}
    if tta not in (None, True, False):
        wrong['tta'] = tta
    if wrong or not numbers:
        msg = (
            '`baseline` as a dict must map metric names to numbers, besides `tta` as True or '
            f'False, but got {wrong or dict(baseline)}'
        )
        raise ArgumentError(msg)
    checked: dict[str, float | bool] = {str(key): float(value) for key, value in numbers.items()}
    return checked if tta is None else {**checked, 'tta': bool(tta)}


def _checked_metrics(metrics: Any) -> list[str] | None:
    """The names in ``metrics`` as a list."""
    if metrics is None:
        return None
    names = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        msg = f'`metrics` must be None or a list of metric names, but got {metrics!r}'
        raise TypeError(msg)
    return list(names)


def _logs_by_epoch(runner: Runner) -> bool:
    """Whether validations are filed under the epoch, as LoggerHook decides."""
    if isinstance(runner.train_loop, IterBasedTrainLoop):  # its epoch stays 0
        return False
    loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
    return all(hook.log_metric_by_epoch for hook in loggers)


def _is_number(value: Any) -> bool:
    """Whether a metric is one number, as mmengine's RuntimeInfoHook decides; no bool."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return bool(np.prod(value.shape) == 1)
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _as_logged(runner: Runner, phase: str, name: str, value: float) -> float:
    """The value that LoggerHook writes, and so the one that the baseline's file has.

    LogProcessor averages losses (all names that match its pattern) over its window.
    """
    log = f'{phase}/{name}'
    if re.search(runner.log_processor.mean_pattern, name) is None:
        return value
    if log not in runner.message_hub.log_scalars:
        return value
    return float(runner.message_hub.get_scalar(log).mean(runner.log_processor.window_size))


def _publish(
    runner: Runner, phase: str, values: Mapping[str, float], reference: Mapping[str, float]
) -> None:
    """Put the differences into the message hub, where LoggerHook finds them."""
    hub = runner.message_hub
    # LoggerHook writes all that the hub has: without this, a difference would be written again at
    # epochs that have none, and differences of losses would be averaged.
    for name in [name for name in hub.log_scalars if name.startswith(f'{phase}/{DIFF_PREFIX}')]:
        hub.log_scalars.pop(name)
    compared = compare(_scores(reference), _scores(values))
    for metric, each in compared.items():
        if each.diff is not None:
            hub.update_scalar(f'{phase}/{DIFF_PREFIX}{metric}', each.diff)


def _scores(values: Mapping[str, float]) -> dict[str, Score]:
    """Scores without a step."""
    return {metric: Score(value) for metric, value in values.items()}


def _read_report(path: Path) -> dict[str, Any]:
    """An earlier ``diff_metrics.json``; empty if there is none or it is not one."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
