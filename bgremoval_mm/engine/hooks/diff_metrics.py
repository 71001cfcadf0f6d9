"""DiffMetricsHook: the difference between a run and the same run on the original images."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from bgremoval_mm.engine.comparison import best_scores, differences, last_scores
from bgremoval_mm.engine.hooks.arguments import checked_baseline, checked_metrics
from bgremoval_mm.engine.hooks.baseline import Baseline
from bgremoval_mm.engine.hooks.baseline_run import BaselineRun
from bgremoval_mm.engine.hooks.conditions import (
    Conditions,
    conditions_of,
    removals,
    unlike_validations,
    write_conditions,
)
from bgremoval_mm.engine.hooks.difference_report import report, warn_of_lengths
from bgremoval_mm.engine.hooks.image_results import (
    collect_per_image,
    count_images,
    intervals,
    per_image_file,
    with_images,
)
from bgremoval_mm.engine.hooks.logged import as_logged, is_number, logs_by_epoch, publish, scores
from bgremoval_mm.engine.pairs import SUFFIXES
from bgremoval_mm.engine.work_dir import read_run
from bgremoval_mm.registry import HOOKS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['DiffMetricsHook']


# `force` replaces the placeholder of bgremoval_mm.registry.
@HOOKS.register_module(force=True)
class DiffMetricsHook(Hook):
    """Compare this run with the same run on the original images.

    At every validation for which the baseline has a value of the same epoch (or iteration), the
    difference, this run minus the baseline, is logged as ``diff/<metric>`` through the message hub,
    and so reaches the log line, ``scalars.json`` and TensorBoard. At the end of training and of
    testing a table is logged and ``diff_metrics.json`` written to the work_dir: best with best and
    last with last validation, each with its epochs, and test with test. Metrics stay in their own
    unit. The two runs may go on side by side: the baseline is read again each time.

    Args:
        baseline: ``'auto'`` takes the folder beside this work_dir that is named like it without
            ``-rembg``, or like the config without it, else the latter in ``work_dirs``. Or a
            work_dir, a ``scalars.json``, a JSON file of ``{metric: number}`` (what
            ``tools/test.py --out`` writes), a ``diff_metrics.json`` (its ``original`` side), or a
            dict of numbers. Numbers without an epoch are compared with every validation and with
            the test; ``tta=True`` among them says that they are of a test with TTA. Tests that
            were not made alike are not compared (docs/diff_metrics.md). Defaults to 'auto'.
        metrics: The metrics to compare. Defaults to None, all that both runs have.
        strict: Whether a missing baseline is an error before training or testing starts. Defaults
            to False, a warning that says how to make it.

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
        self.baseline = checked_baseline(baseline)
        self.metrics = checked_metrics(metrics)
        self.strict = strict
        self._history: dict[int, dict[str, float]] = {}
        self._training = False
        self._told = False
        self._baseline_run: BaselineRun | None = None
        self._step_unit = 'epoch'
        self._empty_validations = 0

    def before_train(self, runner: Runner) -> None:
        """Check the baseline and, in a resumed run, recall its earlier validations."""
        self._training = True
        self._step_unit = 'epoch' if logs_by_epoch(runner) else 'iter'
        self._history = {}
        self._empty_validations = 0
        begin = self._step(runner)
        if begin > 0:
            recorded = read_run(runner.work_dir).val
            self._history = {step: each for step, each in recorded.items() if step <= begin}
        self._check(runner, 'train')
        if unlike := self._unlike_validations(runner):
            runner.logger.warning(
                'DiffMetricsHook: the validations of the two runs are not alike, so the background '
                'is not all that differs. Of the baseline, %s.',
                '; '.join(unlike),
            )

    def before_test(self, runner: Runner) -> None:
        """Check that the baseline has test results, and collect results image by image."""
        self._check(runner, 'test', conditions_of(runner))
        collect_per_image(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the differences at this epoch (or iteration)."""
        if not self._training:
            return
        if not metrics:  # as of mmdet, where no object was found
            self._empty_validations += 1
            publish(runner, 'val', {}, {})  # or the last difference would be logged again
            return
        numbers = _numbers(runner, 'val', metrics)
        values = self._select('val', numbers)
        step = self._step(runner)
        self._history[step] = numbers
        baseline = self._load()
        publish(runner, 'val', values, baseline.at(step) if baseline else {})

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log the differences of the test and write them."""
        mine = conditions_of(runner)
        if is_main_process():
            write_conditions(runner, mine)
        if not metrics:
            self._no_difference(runner, 'this test gave no metric (was nothing found?)')
            return
        numbers = _numbers(runner, 'test', metrics)
        values = self._select('test', numbers)
        baseline = self._load()
        if baseline is None or self._baseline_run is None:
            publish(runner, 'test', values, {})
            self._no_difference(runner, 'there is no run of it')
            return
        test, why = self._baseline_run.test_like(baseline, mine)
        publish(runner, 'test', values, test.metrics if test else {})
        if test is None:
            self._no_difference(runner, why)
            return
        compared = with_images(
            differences(scores(test.metrics), scores(values)),
            count_images(runner.test_dataloader.dataset, numbers),
            intervals(test.source, test.metrics, per_image_file(runner), values),
        )
        about = {
            'tta': mine.tta,
            'images': mine.images,
            'removal': mine.removal,
            'baseline_test': test.source,
        }
        report(runner, baseline, 'test', {'test': compared}, about, self._step_unit)

    def after_train(self, runner: Runner) -> None:
        """Compare best with best and last with last, and write it."""
        self._training = False
        baseline = self._load()
        if not self._history:
            if self._empty_validations:
                why = 'no validation of this run gave a metric (was nothing found?)'
                self._no_difference(runner, why)
            return
        if baseline is None:
            self._no_difference(runner, 'there is no run of it')
            return
        measured = dict(ChainMap(*self._history.values()))
        images = count_images(runner.val_dataloader.dataset, measured)
        mine = {step: self._wanted(values) for step, values in self._history.items()}
        best = with_images(differences(baseline.best, best_scores(mine)), images)
        last = with_images(differences(baseline.last, last_scores(mine)), images)
        warn_of_lengths(runner, baseline, last, self._step_unit)
        about = {
            'removal': removals(runner.train_dataloader.dataset),
            'unlike': self._unlike_validations(runner),
        }
        sections = {'best': best, 'last': last}
        report(runner, baseline, 'train', sections, about, self._step_unit)

    def _unlike_validations(self, runner: Runner) -> list[str]:
        """Return how the validations of the baseline differ, as far as its config tells."""
        baseline = self._load()
        original = None if baseline is None else Path(baseline.source)
        return unlike_validations(original, runner.cfg) if original and original.is_dir() else []

    def _no_difference(self, runner: Runner, why: str) -> None:
        """Say why there is no difference, to those who wait for one."""
        if self._baseline_run is not None and self._baseline_run.exists and is_main_process():
            runner.logger.warning('No difference to the baseline: %s.', why)

    def _select(self, phase: str, values: Mapping[str, float]) -> dict[str, float]:
        """Return the numbers to compare."""
        missing = [name for name in self.metrics or () if name not in values]
        if missing:
            msg = (
                f'DiffMetricsHook: `metrics` names {missing}, which this {phase} does not give; '
                f'it gives {sorted(values)}'
            )
            raise ArgumentError(msg)
        return self._wanted(values)

    def _wanted(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return those that are to be compared."""
        names = values if self.metrics is None else self.metrics
        return {name: values[name] for name in names if name in values}

    def _step(self, runner: Runner) -> int:
        """Return the epoch or iteration that LoggerHook files a validation under."""
        return int(runner.epoch if self._step_unit == 'epoch' else runner.iter)

    def _check(self, runner: Runner, part: str, conditions: Conditions | None = None) -> None:
        """Find the baseline and say, on all processes alike, what it lacks."""
        self._baseline_run = BaselineRun(self.baseline, runner.cfg.filename, runner.work_dir)
        if not self._baseline_run.exists and not self._told:
            self._told = True
            runner.logger.info(
                'DiffMetricsHook: neither the config nor the work_dir of this run has %s in its '
                'name, so there is no baseline to compare with.',
                ' or '.join(SUFFIXES),
            )
        # Only the main process looks, since the others may see another file system; all of them
        # stop, since one alone would leave the others waiting.
        problems: list[Exception | None] = [None]
        if is_main_process():
            try:
                problem = self._baseline_run.problem(part, self.metrics, conditions)
                problems = [FileNotFoundError(problem) if problem else None]
            except ValueError as err:  # waiting will not help
                problems = [err]
        broadcast_object_list(problems)
        error = problems[0]
        if isinstance(error, ValueError) or (error is not None and self.strict):
            raise error
        if error is not None:
            runner.logger.warning(str(error))

    def _load(self) -> Baseline | None:
        """Read the baseline as it is now; None if there is none yet, and on all but one process."""
        return self._baseline_run.load() if self._baseline_run and is_main_process() else None


def _numbers(runner: Runner, phase: str, metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are numbers, as mmengine writes them to ``scalars.json``."""
    return {
        name: as_logged(runner, phase, name, float(value))
        for name, value in metrics.items()
        if is_number(value)
    }
