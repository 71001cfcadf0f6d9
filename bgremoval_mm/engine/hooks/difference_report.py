"""Telling the difference between a run and its baseline: in the log and ``diff_metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from bgremoval_mm.engine.comparison import MetricDifference, format_table, update_report
from bgremoval_mm.engine.hooks.baseline import Baseline
from bgremoval_mm.engine.hooks.conditions import fixed_seed, seed_of_training
from bgremoval_mm.utils.text import printable

__all__ = ['report', 'warn_of_lengths']


def report(
    runner: Runner,
    baseline: Baseline,
    part: str,
    sections: dict[str, dict[str, MetricDifference]],
    conditions: Mapping[str, Any],
    step_unit: str,
) -> None:
    """Log a table and put the sections into ``diff_metrics.json``.

    Args:
        runner: Of the run.
        baseline: What it is compared with.
        part: 'train' or 'test'.
        sections: Such as 'best' to the differences of its metrics.
        conditions: Under which they were measured, for the file.
        step_unit: 'epoch' or 'iter'.
    """
    source = printable(baseline.source)
    if not any(sections.values()):
        runner.logger.warning(
            'DiffMetricsHook: %s and this %s have no metric in common.', source, part
        )
        return
    mine = seed_of_training(Path(runner.work_dir)) if part == 'test' else fixed_seed(runner.cfg)
    seeds = (seed_of_training(Path(baseline.source)), mine)
    table = format_table(sections, step_unit, seeds)
    runner.logger.info('Difference to the baseline (%s):\n%s', source, table)
    # A test may use another config, seed or baseline than the training it follows.
    about = {
        'baseline': baseline.source,
        'config': runner.cfg.filename,
        'seed': runner.seed,
        'baseline_seed': seeds[0],
        'timestamp': runner.timestamp,
        **conditions,
    }
    if part == 'train':
        about['step_unit'] = step_unit
    else:
        about['checkpoint'] = runner.cfg.get('load_from')
    update_report(Path(runner.work_dir) / 'diff_metrics.json', part, sections, about)


def warn_of_lengths(
    runner: Runner, baseline: Baseline, last: Mapping[str, MetricDifference], step_unit: str
) -> None:
    """Warn if the run and its baseline have not run equally long.

    Args:
        runner: Of the run.
        baseline: What it is compared with.
        last: Last validation against last validation.
        step_unit: 'epoch' or 'iter'.
    """
    lengths = {(each.original.step, each.rembg.step) for each in last.values()}
    for theirs, mine in sorted(lengths, key=str):
        if theirs is not None and theirs != mine:
            runner.logger.warning(
                'The run and its baseline have not run equally long: the last validation of %s '
                'is of %s %d, that of this run of %s %d. "best" and "last" compare a longer '
                'with a shorter training.',
                *(printable(baseline.source), step_unit, theirs, step_unit, mine),
            )
