"""The plan: what cannot be run in one line, hours where they are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bgremoval_mm.experiments.papers import load_work
from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.runner.estimate import Estimates
from bgremoval_mm.experiments.runner.plan import measure, print_plan
from bgremoval_mm.experiments.runner.runs import Run, RunError, Workspace, select_runs
from bgremoval_mm.experiments.runner.state import State

DEVICE = 'a made-up machine'


@pytest.fixture
def estimates(tmp_path: Path) -> Estimates:
    """Of the folder of results."""
    return Estimates(Workspace(tmp_path / 'root', tmp_path / 'configs'), DEVICE)


def run_of(model: str, variant: str = 'original', seed: int = 0) -> Run:
    """A run of Fig. 5."""
    (run,) = select_runs(WORK, ['Fig. 5'], ['clothing10'], [model], [variant], [seed])
    return run


def missing_fashion(run: Run) -> str:
    """Say that FashionStyle14 is not there."""
    return 'no photos in X: get them' if run.dataset == 'fashionstyle14' else ''


def test_one_line_for_what_cannot_be_run(
    estimates: Estimates, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two figures without photos share a line; the table of the other dataset is there."""
    runs = select_runs(WORK, ['Fig. 5', 'Fig. 6'], ['fashionstyle14', 'clothing10'], ['vgg11'])
    states: dict[Run, State] = {
        run: 'missing data' if missing_fashion(run) else 'pending' for run in runs
    }
    print_plan(states, missing_fashion, estimates)
    out = capsys.readouterr().out
    line = 'cannot be run: Fig. 5, fashionstyle14; Fig. 6, fashionstyle14: no photos in X: get them'
    assert out.count(line) == 1
    assert out.count('get them') == 1
    assert out.count('network') == 2
    assert 'hours a run' not in out
    assert 'hours are not known' in out


def test_variants_share_a_reason(estimates: Estimates, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing masks stand below the table, once."""
    runs = select_runs(WORK, ['Fig. 5'], ['clothing10'], ['vgg11', 'vgg13'])
    states: dict[Run, State] = {
        run: 'missing data' if run.variant == 'rembg' else 'pending' for run in runs
    }
    print_plan(states, lambda run: 'no masks' if run.variant == 'rembg' else '', estimates)
    out = capsys.readouterr().out
    assert out.count('  rembg: no masks\n') == 1
    assert 'cannot be run' not in out


def test_hours_of_finished_runs(
    estimates: Estimates, make_classification: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    """The median of runs that were not interrupted, on this device, in any variant and seed."""
    for seed, seconds in enumerate((3600, 7200, 9000)):
        make_classification(run_of('vgg11', 'rembg', seed), 20, train_seconds=seconds)
    twice = ['2026-01-01T00:00:00+00:00'] * 2
    make_classification(run_of('vgg13'), 20, train_seconds=60, starts=twice)
    make_classification(run_of('vgg16'), 20, train_seconds=60, device='another')
    make_classification(run_of('vgg19'), 20, train_seconds=60, options=['a=1'])
    assert estimates.hours(run_of('vgg11')) == 2.0
    for model in ('vgg13', 'vgg16', 'vgg19', 'resnet50'):
        assert estimates.hours(run_of(model)) is None
    states: dict[Run, State] = {
        run_of('vgg11'): 'pending',
        run_of('vgg11', seed=1): 'pending',
        run_of('vgg13'): 'pending',
        run_of('vgg11', 'rembg'): 'done',
    }
    print_plan(states, lambda _: '', estimates)
    out = capsys.readouterr().out
    assert 'hours a run' in out
    assert 'about 4.0 hours left on one a made-up machine' in out
    assert 'for 2 of 3 runs whose time is known' in out


def test_folds_of_a_seed_stand_together(
    make_result: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A letter a fold; hours of finished folds are those of the others; one fold is timed."""
    work = load_work('schindler2017')
    chosen = (work, ['Table I'], ['luma'], ['vgg16'], ['original'])
    runs = select_runs(*chosen, [0, 1])
    estimates = Estimates(Workspace(tmp_path / 'root', tmp_path / 'configs'), DEVICE)
    states: dict[Run, State] = dict.fromkeys(runs, 'pending')
    assert [estimates.hours(run) for run in runs] == [None] * 6
    timed = []

    class Timed(Estimates):
        """Notes what is timed."""

        def measure(self, run: Run, count: int) -> float:
            timed.append(run.name)
            msg = 'it cannot be timed'
            raise RunError(msg)

    assert measure(states, Timed(estimates.workspace, DEVICE), 3) == ['it cannot be timed']
    assert timed == [runs[0].name]
    for run, seconds in zip(runs, (3600, 7200, 3600, 7200), strict=False):
        make_result(run, {'accuracy/image': 50.0}, device=DEVICE, train_seconds=seconds)
        states[run] = 'done'
    estimates = Estimates(estimates.workspace, DEVICE)
    assert estimates.hours(runs[-1]) == 1.5
    print_plan(states, lambda _: '', estimates)
    out = capsys.readouterr().out
    assert 'DDD D..' in out
    assert 'original, seeds 0 1, folds 0 1 2 of each' in ' '.join(out.split())
    assert 'about 3.0 hours left' in out
