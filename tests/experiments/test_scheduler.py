"""Many runs, with short commands in the workers' place and a replacement of Slurm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.runner import scheduler
from bgremoval_mm.experiments.runner.runs import Run, Workspace, select_runs

# What the processes do, by the seed of the run.
DO = {
    0: 'done',
    1: 'import sys; print("what happened"); sys.exit(3)',
    2: 'import os; os.kill(os.getpid(), 9)',
    3: 'import sys; sys.exit(75)',
}


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, str]], None]:
    """A function that sets what the process of each seed does."""

    def use(code: dict[int, str]) -> None:
        monkeypatch.setattr(
            scheduler,
            'worker_command',
            lambda run, *_: [sys.executable, '-S', '-c', code[run.seed]],
        )

    return use


def runs(*seeds: int) -> list[Run]:
    """A run for each seed."""
    return select_runs(WORK, ['Fig. 5'], ['clothing10'], ['vgg11'], ['original'], seeds)


def test_failures_do_not_stop_the_others(
    commands: Callable[[dict[int, str]], None], tmp_path: Path
) -> None:
    """Outcomes are kept apart, and a failure has its reason and last lines."""
    commands(DO | {0: 'pass'})
    outcome = scheduler.execute(runs(1, 2, 3, 0), Workspace(tmp_path, tmp_path), progress=False)
    names = {run.seed: run.name for run in runs(0, 1, 2, 3)}
    assert outcome.done == [names[0]]
    assert outcome.elsewhere == [names[3]]
    assert outcome.failed[names[1]] == 'ended by exit status 3'
    assert outcome.failed[names[2]] == 'ended by signal 9 (out of memory?)'
    failure = json.loads((tmp_path / names[1] / 'failure.json').read_text())
    assert failure['log'] == ['what happened']


def test_reason_that_the_worker_gave(
    commands: Callable[[dict[int, str]], None], tmp_path: Path
) -> None:
    """The reason that a worker gives is kept."""
    (run,) = runs(1)
    file = tmp_path / run.name / 'failure.json'
    content = json.dumps({'reason': 'ValueError: no masks'})
    commands({1: f'import sys; open({str(file)!r}, "w").write({content!r}); sys.exit(1)'})
    outcome = scheduler.execute([run], Workspace(tmp_path, tmp_path), progress=False)
    assert outcome.failed == {run.name: 'ValueError: no masks'}


def test_slots_bound_how_many_run_at_once(
    commands: Callable[[dict[int, str]], None], tmp_path: Path
) -> None:
    """Two slots: never three at a time, and each process has its slot's environment."""
    code = f"""
    import os, time
    here = {str(tmp_path)!r}
    name = os.environ['CUDA_VISIBLE_DEVICES'] + '-' + str(os.getpid())
    open(here + '/' + name, 'w').close()
    found = [each for each in os.listdir(here) if each[0] in 'ab']
    open(here + '/seen', 'a').write(str(len(found)))
    time.sleep(0.3)
    os.unlink(here + '/' + name)
    """
    commands(dict.fromkeys(range(5), textwrap.dedent(code)))
    slots = [{'CUDA_VISIBLE_DEVICES': 'a'}, {'CUDA_VISIBLE_DEVICES': 'b'}]
    outcome = scheduler.execute(
        runs(*range(5)), Workspace(tmp_path, tmp_path), slots, progress=False
    )
    assert len(outcome.done) == 5
    assert set((tmp_path / 'seen').read_text()) == {'1', '2'}


def test_sigterm_ends_the_processes(tmp_path: Path) -> None:
    """A scheduler that is asked to end asks its processes, and is interrupted itself."""
    sleep = 'import os, sys, time; open(sys.argv[1], "w").write(str(os.getpid())); time.sleep(60)'
    command = [sys.executable, '-c', sleep, str(tmp_path / 'pid')]
    code = f"""
    import sys
    from pathlib import Path
    from bgremoval_mm.experiments.papers.liang2023 import WORK
    from bgremoval_mm.experiments.runner import scheduler
    from bgremoval_mm.experiments.runner.runs import Workspace, select_runs
    scheduler.worker_command = lambda *_: {command!r}
    here = Path({str(tmp_path)!r})
    runs = select_runs(WORK, ['Fig. 5'])[:2]
    try:
        scheduler.execute(runs, Workspace(here, here), progress=False)
    except KeyboardInterrupt:
        sys.exit(130)
    """
    process = subprocess.Popen([sys.executable, '-c', textwrap.dedent(code)])
    deadline = time.monotonic() + 60
    while not (tmp_path / 'pid').is_file() or not (tmp_path / 'pid').read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / 'pid').read_text()), 0)
    assert not list(tmp_path.rglob('failure.json'))


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run a GPU, by the names that are visible; on the CPU as many as asked for."""
    import torch

    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    names = [slot['CUDA_VISIBLE_DEVICES'] for slot in scheduler.device_slots()]
    assert names == ['0', '1']
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,GPU-abc')
    names = [slot['CUDA_VISIBLE_DEVICES'] for slot in scheduler.device_slots(3)]
    assert names == ['3', 'GPU-abc', '3']
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    assert scheduler.device_slots() == [{}]
    assert scheduler.device_slots(2) == [{}, {}]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replacements of sbatch, which numbers its jobs, and squeue, which knows those of `alive`."""
    programs = tmp_path / 'programs'
    programs.mkdir()
    calls = tmp_path / 'calls'
    scripts = {
        'sbatch': f'printf "%s\\n" "$@" >> {calls}; wc -l < {calls}',
        'squeue': f'grep -x -- "${{2#--jobs=}}" {tmp_path / "alive"}',
    }
    for name, script in scripts.items():
        (programs / name).write_text(f'#!/bin/bash\n{script}\n')
        (programs / name).chmod(0o755)
    (tmp_path / 'alive').touch()
    monkeypatch.setenv('PATH', f'{programs}:/usr/bin:/bin')
    return tmp_path


def test_slurm_jobs(slurm: Path) -> None:
    """A job a run, with a GPU; those that Slurm still has are not handed in again."""
    both = runs(0, 1)
    root = slurm / 'root'
    workspace = Workspace(root, Path('configs'), ('a=(1,)',))
    jobs = scheduler.submit(both, workspace, 'gpu', '--time=10:00:00')
    calls = (slurm / 'calls').read_text()
    assert len(jobs) == 2
    assert calls.count('--partition=gpu') == calls.count('--gres=gpu:1') == 2
    assert f'--output={root / both[0].name / "run.log"}' in calls
    assert "--options 'a=(1,)'" in calls
    assert '--time=10:00:00' in calls
    (slurm / 'alive').write_text(f'{jobs[0]}\n')
    again = scheduler.submit(both, workspace, 'gpu')
    assert len(again) == 1
    assert json.loads((root / both[1].name / 'slurm.json').read_text()) == {'job': again[0]}


def test_no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sbatch the message says that Slurm is needed."""
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(RuntimeError, match='there is no `sbatch` here'):
        scheduler.submit(runs(0), Workspace(tmp_path, tmp_path), 'gpu')
