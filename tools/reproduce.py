#!/usr/bin/env python
"""Reproduce the paper's results: plan the runs, do them, report what came out.

    python tools/reproduce.py plan                # what there is to do, and what is done
    python tools/reproduce.py run --results "Fig. 5" --datasets clothing10 --seeds 0 1 2
    python tools/reproduce.py report              # tables, figures, claims

`run` goes on where it was broken off, and does nothing twice.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bgremoval_mm.cli import console
from bgremoval_mm.cli.errors import FAILED, OPENMMLAB, add_debug_argument, guarded, print_error
from bgremoval_mm.experiments.papers.liang2023.experiments import ARMS
from bgremoval_mm.experiments.runner.runs import PLACES, Run, RunError, select_runs
from bgremoval_mm.experiments.runner.state import State, read_json, state_of
from bgremoval_mm.utils.text import printable

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
_LETTERS = {
    'missing data': ('-', 'bright_black'),
    'pending': ('.', ''),
    'interrupted': ('i', 'yellow'),
    'running': ('r', 'cyan'),
    'failed': ('F', 'bold red'),
    'done': ('D', 'green'),
    'other options': ('o', 'magenta'),
}


class _Parser(argparse.ArgumentParser):
    """Takes arguments from files that are named with an @; lines with a # first are comments."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter,
            fromfile_prefix_chars='@',
            **options,
        )

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        line = arg_line.strip()
        return [line] if line and not line.startswith('#') else []


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = _Parser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)

    plan = commands.add_parser('plan', help='list the runs and their state; changes nothing')
    _add_selection(plan)
    plan.add_argument(
        '--estimate',
        type=int,
        nargs='?',
        const=10,
        metavar='ITERATIONS',
        help='time that many iterations of each training whose data are there (10)',
    )

    run = commands.add_parser('run', help='do the runs that are not done')
    _add_selection(run)
    run.add_argument('--jobs', type=int, help='runs at a time (default: one a GPU, one on a CPU)')
    run.add_argument('--retry-failed', action='store_true', help='try those again that failed')
    run.add_argument(
        '--discard-checkpoints',
        action='store_true',
        help='delete the checkpoints of runs that are done; their results stay',
    )
    run.add_argument('--slurm', metavar='PARTITION', help='hand the runs to Slurm instead')
    run.add_argument('--sbatch-args', default='', help='further options of sbatch, in one string')

    page = commands.add_parser('report', help='build the report of what is finished')
    page.add_argument(
        '--root',
        type=Path,
        default=Path('work_dirs/reproduce'),
        help='folder with results at any depth (default: work_dirs/reproduce)',
    )
    page.add_argument('--out', type=Path, help='folder of the report (default: ROOT/report)')

    for command in commands.choices.values():
        add_debug_argument(command)
    args = parser.parse_args(argv)
    if getattr(args, 'jobs', None) is not None and args.jobs < 1:
        parser.error(f'--jobs must be at least 1, but got {args.jobs}')
    return args


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--results',
        nargs='+',
        default=[],
        metavar='PLACE',
        choices=PLACES,
        help=f'results of the paper: {", ".join(PLACES)} (default: all)',
    )
    parser.add_argument('--datasets', nargs='+', default=[], help='by name (default: all)')
    parser.add_argument('--models', nargs='+', default=[], help='by name (default: all)')
    parser.add_argument('--arms', nargs='+', default=[], choices=ARMS)
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='(default: 0)')
    parser.add_argument(
        '--root',
        type=Path,
        default=Path('work_dirs/reproduce'),
        help='folder of all runs (default: work_dirs/reproduce)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of all runs, of both arms alike; train_dataset.KEY, val_dataset.KEY '
        'and test_dataset.KEY are of the data set that reads the photos; @FILE takes them from a '
        'file, one a line',
    )


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if all is done, 1 if something failed or is missing, 130 if interrupted."""
    args = parse_args(argv)
    console.prepare(own_process=argv is None)
    return guarded(lambda: reproduce(args), args.debug, OPENMMLAB)


def reproduce(args: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    if args.command == 'report':
        return write_report(args)
    runs = select_runs(args.results, args.datasets, args.models, args.arms, args.seeds)
    if not runs:
        print_error('no experiment fits that selection')
        return 2
    missing = MissingData(args.cfg_options)
    states = {run: state_of(run, args.root, args.cfg_options, missing) for run in runs}
    if args.command == 'plan':
        return show_plan(args, states, missing)
    return do_runs(args, states, missing)


class MissingData:
    """Looks once for the data of a data set and an arm, not once a run."""

    def __init__(self, options: list[str]) -> None:
        self.options = options
        self.found: dict[tuple[str, ...], str] = {}

    def __call__(self, run: Run) -> str:
        """What is not there, with the command that mends it; '' if nothing."""
        from bgremoval_mm.experiments.runner.options import missing_data

        key = (run.experiment.place, run.dataset, run.arm)
        if key not in self.found:
            self.found[key] = missing_data(run, CONFIGS, self.options)
        return self.found[key]


def write_report(args: argparse.Namespace) -> int:
    """Build the report."""
    from bgremoval_mm.experiments.report.page import build_report
    from bgremoval_mm.experiments.report.page import write_report as write_pages

    folder = args.out or args.root / 'report'
    content = build_report(args.root)
    write_pages(content, folder)
    page = printable(folder / 'index.html')
    print(f'{content.runs} runs in {len(content.sections)} sections; open {page}')
    return 0


def show_plan(
    args: argparse.Namespace, states: dict[Run, State], missing: Callable[[Run], str]
) -> int:
    """Print the runs, result by result."""
    from bgremoval_mm.experiments.runner.estimate import Estimates
    from bgremoval_mm.experiments.runner.worker import provenance

    device = provenance(CONFIGS.parent)['device']
    estimates = Estimates(args.root, CONFIGS, args.cfg_options, device)
    problems = []
    if args.estimate is not None:
        for run, state in states.items():
            wanted = run.arm == ARMS[0] and run.seed == args.seeds[0] and state != 'missing data'
            if wanted and estimates.hours(run) is None:
                print(f'timing {run.config} ...', file=sys.stderr)
                try:
                    estimates.measure(run, args.estimate)
                except RunError as err:
                    problems.append(str(err))
    console = Console(width=None if sys.stdout.isatty() else 110)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in states:
        groups.setdefault((run.experiment.place, run.dataset), []).append(run)
    total = 0.0
    for (place, dataset), runs in groups.items():
        console.print(plan_table(f'{place}, {dataset}', runs, states, estimates.hours, args))
        for arm in dict.fromkeys(run.arm for run in runs):
            reason = missing(next(run for run in runs if run.arm == arm))
            if reason:
                console.print(f'  {arm}: {reason}', style='yellow', highlight=False, soft_wrap=True)
        total += sum(hours_left(run, states[run], estimates.hours) or 0.0 for run in runs)
    letters = '   '.join(f'{letter} {state}' for state, (letter, _) in _LETTERS.items())
    console.print(f'\n{letters}', highlight=False)
    counts = Counter(states.values())
    print(', '.join(f'{count} {state}' for state, count in counts.items()))
    if estimates.known:
        print(
            f'about {total:.1f} hours left on one {device}, training only, as far as it was timed'
        )
    else:
        print('hours are not known: plan --estimate times a few iterations')
    for problem in problems:
        print_error(problem)
    return 1 if problems else 0


def hours_left(run: Run, state: State, hours: Callable[[Run], float | None]) -> float | None:
    """Hours of a run that is not done; both arms take the same."""
    return 0.0 if state == 'done' else hours(timed(run))


def timed(run: Run) -> Run:
    """The run that stands for others in time: whatever the seed and the arm."""
    return Run(run.experiment, run.dataset, ARMS[0], 0)


def plan_table(
    title: str,
    runs: list[Run],
    states: dict[Run, State],
    hours: Callable[[Run], float | None],
    args: argparse.Namespace,
) -> Table:
    """A line a network: a letter for each seed's run in either arm."""
    table = Table(title=title, box=box.SIMPLE, title_justify='left')
    table.add_column('network')
    table.add_column('model')
    arms = list(dict.fromkeys(run.arm for run in runs))
    for arm in arms:
        table.add_column(f'{arm}, seeds {" ".join(map(str, args.seeds))}')
    table.add_column('hours a run', justify='right')
    for experiment in dict.fromkeys(run.experiment for run in runs):
        cells = []
        for arm in arms:
            cell = Text()
            for run in runs:
                if (run.experiment, run.arm) == (experiment, arm):
                    letter, style = _LETTERS[states[run]]
                    cell.append(f'{letter} ', style)
            cells.append(cell)
        run = next(run for run in runs if run.experiment == experiment)
        time = hours(timed(run))
        table.add_row(
            experiment.title, experiment.model, *cells, '' if time is None else f'{time:.1f}'
        )
    return table


def do_runs(
    args: argparse.Namespace, states: dict[Run, State], missing: Callable[[Run], str]
) -> int:
    """Do what is not done, and say what became of it."""
    from bgremoval_mm.experiments.runner import scheduler

    todo, others = scheduler.to_do(list(states), states.__getitem__, args.retry_failed)
    for state, runs in others.items():
        print(f'{len(runs)} {state}')
    for reason in dict.fromkeys(missing(run) for run in others.get('missing data', [])):
        print(f'  {reason}')
    wrong = others.get('other options', [])
    if wrong:
        folder = args.root / wrong[0].name
        print_error(
            f'{len(wrong)} runs were begun with other options, for example {folder}. '
            'Take another --root for these options.'
        )
        return FAILED
    if args.slurm is not None:
        jobs = scheduler.submit(
            todo, args.root, CONFIGS, args.cfg_options, args.slurm, args.sbatch_args
        )
        print(f'{len(jobs)} jobs handed to Slurm, {len(todo) - len(jobs)} were there already')
        return 0
    slots = scheduler.device_slots(args.jobs)
    outcome = scheduler.execute(todo, args.root, CONFIGS, args.cfg_options, slots)
    failed = dict(outcome.failed)
    if not args.retry_failed:
        for run in others.get('failed', []):
            failure = read_json(args.root / run.name / 'failure.json') or {}
            failed[run.name] = f'{failure.get("reason")} (earlier; --retry-failed tries again)'
    if args.discard_checkpoints:
        for run in states:
            if (args.root / run.name / 'result.json').is_file():
                for checkpoint in (args.root / run.name).glob('*.pth'):
                    checkpoint.unlink()
    print(f'{len(outcome.done)} done now, {len(failed)} failed; results below {args.root}')
    for name in outcome.elsewhere:
        print(f'  another process is at work on {name}')
    for name, reason in failed.items():
        log = printable(args.root / name / 'run.log')
        print(f'  failed: {name}: {console.escape_lines(reason)}\n    log: {log}')
    return 1 if failed or others.get('missing data') else 0


if __name__ == '__main__':
    sys.exit(main())
