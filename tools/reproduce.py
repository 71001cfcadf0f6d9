#!/usr/bin/env python
"""Reproduce the results of a published work: plan the runs, do them, report the results.

    python tools/reproduce.py plan                # what there is to do, and what is done
    python tools/reproduce.py run --results "Fig. 5" --datasets clothing10 --seeds 0 1 2
    python tools/reproduce.py report              # tables, figures, claims

`run` resumes interrupted runs and skips finished ones.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bgremoval_mm.cli import console
from bgremoval_mm.cli.argument_types import at_least, model_name
from bgremoval_mm.cli.errors import FAILED, OPENMMLAB, add_debug_argument, guarded, print_error
from bgremoval_mm.experiments.papers import WORKS, load_work
from bgremoval_mm.experiments.runner.runs import FAILURE, LOG, RESULT, Run, Workspace, select_runs
from bgremoval_mm.experiments.runner.state import State, state_of
from bgremoval_mm.removal.options import PRECISIONS
from bgremoval_mm.utils.json_io import read_json
from bgremoval_mm.utils.text import printable

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


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
        type=at_least(1),
        nargs='?',
        const=10,
        metavar='ITERATIONS',
        help='time that many iterations of each training whose data are there (10)',
    )

    run = commands.add_parser('run', help='do the runs that are not done')
    _add_selection(run)
    run.add_argument(
        '--jobs', type=at_least(1), help='runs at a time (default: one a GPU, one on a CPU)'
    )
    run.add_argument('--retry-failed', action='store_true', help='try those again that failed')
    run.add_argument(
        '--discard-checkpoints',
        action='store_true',
        help='delete the checkpoints of runs that are done, but for those that other runs start '
        'from; results stay',
    )
    run.add_argument('--slurm', metavar='PARTITION', help='hand the runs to Slurm instead')
    run.add_argument('--sbatch-args', default='', help='further options of sbatch, in one string')

    page = commands.add_parser('report', help='build the report of what is finished')
    page.add_argument('--work', help='one work only, as for plan (default: all with a result)')
    page.add_argument(
        '--root',
        type=Path,
        default=Path('work_dirs/reproduce'),
        help='folder with results at any depth (default: work_dirs/reproduce)',
    )
    page.add_argument('--out', type=Path, help='folder of the report (default: ROOT/report)')

    for command in commands.choices.values():
        add_debug_argument(command)
    return parser.parse_args(argv)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--work',
        default=WORKS[0],
        help=f'{", ".join(WORKS)}, or your own module that defines WORK (default: {WORKS[0]})',
    )
    parser.add_argument(
        '--results',
        nargs='+',
        default=[],
        metavar='ITEM',
        help='figures and tables of the work, such as "Fig. 5" (default: all)',
    )
    parser.add_argument('--datasets', nargs='+', default=[], help='by name (default: all)')
    parser.add_argument('--models', nargs='+', default=[], help='by name (default: all)')
    parser.add_argument(
        '--variants',
        '--arms',
        nargs='+',
        default=[],
        metavar='VARIANT',
        help='original, rembg ... (default: all); --arms is its former name',
    )
    parser.add_argument(
        '--seeds', nargs='+', type=at_least(0, 2**31 - 1), default=[0], help='(default: 0)'
    )
    parser.add_argument(
        '--folds', nargs='+', type=int, default=[], help='of works that have some (default: all)'
    )
    parser.add_argument(
        '--root',
        type=Path,
        default=Path('work_dirs/reproduce'),
        help='folder of all runs (default: work_dirs/reproduce)',
    )
    parser.add_argument(
        '--configs',
        type=Path,
        default=CONFIGS,
        help='folder of the configs, for your own work (default: that of this repository)',
    )
    masks = parser.add_argument_group(
        'masks of the variants', 'in place of those that the configs name, for all runs'
    )
    masks.add_argument('--mask-dir', metavar='DIR', help='mask store')
    masks.add_argument(
        '--mask-model',
        type=model_name,
        metavar='MODEL',
        help='that made the masks: a name that `bgremoval models` lists, or an .onnx file',
    )
    masks.add_argument('--mask-precision', choices=PRECISIONS, help='in which they were made')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of all runs, in all variants alike; train_dataset.KEY, '
        'val_dataset.KEY and test_dataset.KEY are of the dataset that reads the photos; '
        '"MODEL: KEY=VALUE" is for the models of that name, * for any characters in it; @FILE '
        'takes them from a file, one a line',
    )


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if all is done, 1 if something failed or is missing, 130 if interrupted."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    console.prepare(own_process=argv is None)
    return guarded(lambda: reproduce(args), args.debug, OPENMMLAB)


def reproduce(args: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    if args.command == 'report':
        return write_report(args)
    from bgremoval_mm.experiments.runner.mask_options import mask_options

    work = load_work(args.work)
    runs = select_runs(
        work, args.results, args.datasets, args.models, args.variants, args.seeds, args.folds
    )
    if not runs:
        print_error('no experiment fits that selection')
        return 2
    masks = mask_options(args.mask_dir, args.mask_model, args.mask_precision)
    workspace = Workspace(args.root, args.configs, (*args.cfg_options, *masks))
    missing = MissingData(workspace)
    states = {run: state_of(run, workspace, missing) for run in runs}
    if args.command == 'plan':
        return show_plan(args, workspace, states, missing)
    return do_runs(args, workspace, states, missing)


class MissingData:
    """Looks once for the data of an item, a dataset and a variant, not once a run."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.found: dict[tuple[str, ...], str] = {}

    def __call__(self, run: Run) -> str:
        """Describe the missing data and the command that fetches them; '' if nothing is missing."""
        from bgremoval_mm.experiments.runner.options import missing_data

        key = (run.experiment.item, run.dataset, run.variant)
        if key not in self.found:
            self.found[key] = missing_data(run, self.workspace)
        return self.found[key]


def write_report(args: argparse.Namespace) -> int:
    """Build the report."""
    from bgremoval_mm.experiments.report.page import build_report
    from bgremoval_mm.experiments.report.page import write_report as write_pages

    folder = args.out or args.root / 'report'
    content = build_report(args.root, args.work)
    write_pages(content, folder)
    page = printable(folder / 'index.html')
    print(f'{content.runs} runs in {len(content.sections)} sections; open {page}')
    return 0


def show_plan(
    args: argparse.Namespace,
    workspace: Workspace,
    states: dict[Run, State],
    missing: Callable[[Run], str],
) -> int:
    """Print the runs, item by item."""
    from bgremoval_mm.experiments.runner.estimate import Estimates
    from bgremoval_mm.experiments.runner.plan import measure, print_plan
    from bgremoval_mm.experiments.runner.worker import provenance

    estimates = Estimates(workspace, provenance(args.configs.parent)['device'])
    problems = [] if args.estimate is None else measure(states, estimates, args.estimate)
    print_plan(states, missing, estimates)
    for problem in problems:
        print_error(problem)
    return 1 if problems else 0


def do_runs(
    args: argparse.Namespace,
    workspace: Workspace,
    states: dict[Run, State],
    missing: Callable[[Run], str],
) -> int:
    """Do what is not done, and print what is done, failed or missing."""
    from bgremoval_mm.experiments.runner import scheduler

    todo, others = scheduler.to_do(list(states), states.__getitem__, args.retry_failed)
    for state, runs in others.items():
        earlier = ' earlier; --retry-failed tries again' if state == 'failed' else ''
        print(f'{len(runs)} {state}{earlier}')
    for reason in dict.fromkeys(missing(run) for run in others.get('missing data', [])):
        print(f'  {reason}')
    wrong = others.get('other options', [])
    if wrong:
        print_error(
            f'{len(wrong)} runs were begun with other options or for another work, for example '
            f'{workspace.folder(wrong[0])}. Take another --root for these.'
        )
        return FAILED
    if args.slurm is not None:
        jobs = scheduler.submit(todo, workspace, args.slurm, args.sbatch_args)
        print(f'{len(jobs)} jobs handed to Slurm, {len(todo) - len(jobs)} were there already')
        if args.discard_checkpoints:
            discard_checkpoints(list(states), workspace)
        return 1 if {'failed', 'missing data'} & others.keys() else 0
    outcome = scheduler.execute(todo, workspace, scheduler.device_slots(args.jobs))
    failed = dict(outcome.failed)
    if not args.retry_failed:
        for run in others.get('failed', []):
            failure = read_json(workspace.folder(run) / FAILURE) or {}
            failed[run.name] = f'{failure.get("reason")} (earlier; --retry-failed tries again)'
    if args.discard_checkpoints:
        discard_checkpoints(list(states), workspace)
    print(f'{len(outcome.done)} done now, {len(failed)} failed; results below {args.root}')
    for name in outcome.elsewhere:
        print(f'  another process is at work on {name}')
    for name, reason in failed.items():
        log = printable(args.root / name / LOG)
        print(f'  failed: {name}: {console.escape_lines(reason)}\n    log: {log}')
    return 1 if failed or others.get('missing data') else 0


def discard_checkpoints(runs: Sequence[Run], workspace: Workspace) -> None:
    """Delete the checkpoints of runs that are done, but for those that other runs start from."""
    root = str(workspace.root)
    needed = {
        Path(option.partition('=')[2].replace('{root}', root))
        for run in select_runs(runs[0].work, seeds=sorted({run.seed for run in runs}))
        for option in workspace.options_of(run)
        if '{root}' in option
    }
    for run in runs:
        folder = workspace.folder(run)
        if (folder / RESULT).is_file():
            for checkpoint in set(folder.glob('*.pth')) - needed:
                checkpoint.unlink()


if __name__ == '__main__':
    sys.exit(main())
