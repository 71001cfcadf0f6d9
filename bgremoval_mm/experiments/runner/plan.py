"""The plan: a table of all runs with their states, and how long they would take."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bgremoval_mm.experiments.runner.estimate import Estimates
from bgremoval_mm.experiments.runner.runs import Run, RunError
from bgremoval_mm.experiments.runner.state import State

__all__ = ['measure', 'plan_table', 'print_plan']

T = TypeVar('T')

_HEADS = 4  # variants up to which each column's head names the seeds
_LETTERS: dict[State, tuple[str, str]] = {
    'missing data': ('-', 'bright_black'),
    'pending': ('.', ''),
    'interrupted': ('i', 'yellow'),
    'running': ('r', 'cyan'),
    'failed': ('F', 'bold red'),
    'done': ('D', 'green'),
    'other options': ('o', 'magenta'),
}


def measure(states: Mapping[Run, State], estimates: Estimates, iterations: int) -> list[str]:
    """Time the trainings whose data are there and that were not timed yet, one an experiment.

    Returns:
        Why a training could not be timed, one line each.
    """
    problems = []
    seen: set[str] = set()
    for run, state in states.items():
        if run != run.baseline or run.config in seen or state == 'missing data':
            continue
        seen.add(run.config)  # one seed and fold stands for all
        if estimates.hours(run) is None:
            sys.stderr.write(f'timing {run.config} ...\n')
            try:
                estimates.measure(run, iterations)
            except RunError as err:
                problems.append(str(err))
    return problems


def print_plan(
    states: Mapping[Run, State], missing: Callable[[Run], str], estimates: Estimates
) -> None:
    """Print the runs, item by item.

    Args:
        states: The runs and their states.
        missing: Describes which data of a run are missing.
        estimates: Hours of the runs that were timed.
    """
    console = Console(width=None if sys.stdout.isatty() else 110)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in states:
        groups.setdefault((run.experiment.item, run.dataset), []).append(run)
    without_data: dict[str, list[str]] = {}
    for (item, dataset), runs in groups.items():
        reasons = _reasons(runs, missing)
        if all(states[run] == 'missing data' for run in runs):
            for reason in reasons:
                without_data.setdefault(reason, []).append(f'{item}, {dataset}')
            continue
        console.print(plan_table(f'{item}, {dataset}', runs, states, estimates.hours))
        for reason, variants in reasons.items():
            _print_line(console, f'  {", ".join(variants)}: {reason}')
    for reason, titles in without_data.items():
        _print_line(console, f'cannot be run: {"; ".join(titles)}: {reason}')
    letters = '   '.join(f'{letter} {state}' for state, (letter, _) in _LETTERS.items())
    console.print(f'\n{letters}', highlight=False)
    counts = Counter(states.values())
    lines = [', '.join(f'{count} {state}' for state, count in counts.items())]
    left = [run for run, state in states.items() if state not in ('done', 'missing data')]
    times = [hours for run in left if (hours := estimates.hours(run)) is not None]
    if times:
        lines.append(
            f'about {sum(times):.1f} hours left on one {estimates.device}, training only, for '
            f'{len(times)} of {len(left)} runs whose time is known'
        )
    elif left:
        lines.append('hours are not known: plan --estimate times a few iterations')
    sys.stdout.write('\n'.join(lines) + '\n')


def _reasons(runs: Sequence[Run], missing: Callable[[Run], str]) -> dict[str, list[str]]:
    """Return what is missing to the variants that miss it."""
    reasons: dict[str, list[str]] = {}
    for variant in _unique(run.variant for run in runs):
        reason = missing(next(run for run in runs if run.variant == variant))
        if reason:
            reasons.setdefault(reason, []).append(variant)
    return reasons


def _print_line(console: Console, line: str) -> None:
    console.print(line, style='yellow', highlight=False, markup=False, soft_wrap=True)


def plan_table(
    title: str,
    runs: Sequence[Run],
    states: Mapping[Run, State],
    hours: Callable[[Run], float | None],
) -> Table:
    """Return a table with a line a network: in each variant a letter for each seed's run.

    Where there are folds, the letters of a seed's folds stand together. The hours a run have a
    column if those of any are known.
    """
    variants = _unique(run.variant for run in runs)
    seeds = ' '.join(map(str, _unique(run.seed for run in runs)))
    folds = ' '.join(str(fold) for fold in _unique(run.fold for run in runs) if fold is not None)
    letters = f', seeds {seeds}' + f', folds {folds} of each' * bool(folds)
    several = len(variants) > _HEADS  # what all heads have then stands above them, once
    title, letters = (title + letters, '') if several else (title, letters)
    table = Table(title=title, box=box.SIMPLE, title_justify='left')
    table.add_column('network')
    table.add_column('model', overflow='fold')
    for variant in variants:
        table.add_column(f'{variant}{letters}', overflow='fold')
    times = {run.experiment: hours(run) for run in runs if hours(run) is not None}
    if times:
        table.add_column('hours a run', justify='right')
    for experiment in _unique(run.experiment for run in runs):
        mine = [run for run in runs if run.experiment == experiment]
        cells = []
        for variant in variants:
            cell = Text()
            for seed in _unique(run.seed for run in mine):
                for run in mine:
                    if (run.variant, run.seed) == (variant, seed):
                        cell.append(*_LETTERS[states[run]])
                cell.append(' ')
            cells.append(cell)
        time = times.get(experiment)
        shown = [] if not times else ['' if time is None else f'{time:.1f}']
        table.add_row(experiment.title, experiment.model, *cells, *shown)
    return table


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))
