"""Many runs: some at a time on this machine, or all at once as jobs of Slurm."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bgremoval_mm.experiments.runner.runs import FAILURE, LOG, RESULT, Run, RunError, Workspace
from bgremoval_mm.experiments.runner.state import State
from bgremoval_mm.experiments.runner.worker import BUSY
from bgremoval_mm.removal.jobs.progress import progress_bar
from bgremoval_mm.utils.json_io import read_json, write_json

__all__ = ['Outcome', 'device_slots', 'execute', 'submit']

SLURM = 'slurm.json'
_POLL = 0.5  # seconds
_PATIENCE = 30.0  # seconds between asking a process to end and killing it
_LINES = 8  # of the log, in the reason of a failure


@dataclass
class Outcome:
    """The runs after an execution.

    Attributes:
        done: Names of those that were finished now.
        failed: Reason by name.
        elsewhere: Names of those that another process is at work on.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)


def device_slots(jobs: int | None = None) -> list[dict[str, str]]:
    """Return the environment of each run at a time: one a GPU, else `jobs` on the CPU.

    Args:
        jobs: Runs at a time; None: one a GPU, or one without GPUs. If there are more than GPUs,
            they share these.
    """
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get('CUDA_VISIBLE_DEVICES', '')
    names = visible.split(',') if visible else [str(i) for i in range(count)]
    jobs = jobs or max(1, count)
    if not count:
        return [{} for _ in range(jobs)]
    return [{'CUDA_VISIBLE_DEVICES': names[i % count]} for i in range(jobs)]


def worker_command(run: Run, workspace: Workspace) -> list[str]:
    """Return the command line of a run's process."""
    command = [sys.executable, '-m', 'bgremoval_mm.experiments.runner.worker', run.config]
    command += ['--work', run.work.name, '--seed', str(run.seed)]
    command += [] if run.fold is None else ['--fold', str(run.fold)]
    command += ['--root', str(workspace.root.resolve())]
    command += ['--configs', str(workspace.configs.resolve())]
    return [*command, '--options', *workspace.options] if workspace.options else command


@dataclass
class _Process:
    run: Run
    slot: Mapping[str, str]
    popen: subprocess.Popen[bytes]


def execute(
    runs: Sequence[Run],
    workspace: Workspace,
    slots: Sequence[Mapping[str, str]] = ({},),
    progress: bool = True,
) -> Outcome:
    """Do runs, as many at a time as there are slots. One that fails does not stop the others.

    An interrupt (Ctrl-C, SIGTERM) ends the processes; call it again to resume their runs. If this
    process is killed, those that it started continue to the end of their runs.

    Args:
        runs: What to do, in this order.
        workspace: Where, and with which options.
        slots: Environment variables of each of the processes at a time.
        progress: Show a progress bar; in a log, a line when runs have ended.

    Raises:
        KeyboardInterrupt: After the processes were ended.
    """
    outcome = Outcome()
    waiting, free = deque(runs), deque(slots)
    active: list[_Process] = []
    with (
        _interrupt_on_sigterm(),
        progress_bar(len(runs), unit=' runs', disable=not progress) as bar,
    ):
        try:
            while waiting or active:
                while waiting and free:
                    run, slot = waiting.popleft(), free.popleft()
                    active.append(_start(run, slot, workspace))
                time.sleep(_POLL)
                for process in [each for each in active if each.popen.poll() is not None]:
                    active.remove(process)
                    free.append(process.slot)
                    _note(process, workspace, outcome)
                    bar.update()
                names = ', '.join(process.run.name for process in active)
                bar.set_postfix_str(f'{len(outcome.failed)} failed; {names}', refresh=False)
        finally:
            _stop(active)
    return outcome


def _start(run: Run, slot: Mapping[str, str], workspace: Workspace) -> _Process:
    folder = workspace.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open('ab') as log:
        popen = subprocess.Popen(
            worker_command(run, workspace),
            env={**os.environ, **slot},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to hand on
        )
    return _Process(run, slot, popen)


def _note(process: _Process, workspace: Workspace, outcome: Outcome) -> None:
    """Record how a process has ended."""
    folder, status = workspace.folder(process.run), process.popen.returncode
    if status == 0:
        outcome.done.append(process.run.name)
    elif status == BUSY:
        outcome.elsewhere.append(process.run.name)
    else:
        failure = read_json(folder / FAILURE)
        if failure is None:
            how = f'signal {-status}' if status < 0 else f'exit status {status}'
            hint = ' (out of memory?)' if status == -signal.SIGKILL else ''
            failure = {'reason': f'ended by {how}{hint}', 'log': _tail(folder / LOG)}
            write_json(folder / FAILURE, failure)
        outcome.failed[process.run.name] = failure['reason']


def _tail(log: Path) -> list[str]:
    try:
        return log.read_text(encoding='utf-8', errors='replace').splitlines()[-_LINES:]
    except OSError:
        return []


def _stop(active: Sequence[_Process]) -> None:
    """End processes, gently at first, with those that they started."""
    for process in active:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    for process in active:
        try:
            process.popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.popen.wait()


def _signal(process: _Process, number: int) -> None:
    try:
        os.killpg(process.popen.pid, number)
    except ProcessLookupError:
        return


@contextmanager
def _interrupt_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, as Slurm and systemd send it, be an interrupt like Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def submit(
    runs: Sequence[Run], workspace: Workspace, partition: str, sbatch_args: str = ''
) -> list[str]:
    """Hand runs to Slurm, a job of one GPU each; those whose job is still known are skipped.

    Args:
        runs: What to do.
        workspace: Where, on storage that the nodes share, and with which options.
        partition: Slurm's partition.
        sbatch_args: Further options of ``sbatch``, which win over ours.

    Returns:
        Numbers of the jobs.

    Raises:
        RunError: If ``sbatch`` fails; the message is its.
    """
    jobs = []
    for run in runs:
        folder = workspace.folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        if is_submitted(folder):
            continue
        command = shlex.join(worker_command(run, workspace))
        call = ['sbatch', '--parsable', f'--partition={partition}', '--gres=gpu:1']
        call += ['--cpus-per-task=5', f'--job-name={run.name}', f'--output={folder / LOG}']
        call += ['--open-mode=append', *shlex.split(sbatch_args), f'--wrap={command}']
        done = _slurm(call)
        job = done.partition(';')[0]
        write_json(folder / SLURM, {'job': job})
        jobs.append(job)
    return jobs


def is_submitted(folder: Path) -> bool:
    """Return whether Slurm still has the job of a run, waiting or running."""
    job = read_json(folder / SLURM)
    if job is None or (folder / RESULT).is_file():
        return False
    try:
        return bool(_slurm(['squeue', '--noheader', f'--jobs={job["job"]}']))
    except RunError:  # Slurm forgets jobs that ended
        return False


def _slurm(call: Sequence[str]) -> str:
    try:
        done = subprocess.run(call, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        msg = f'there is no `{call[0]}` here: Slurm is needed'
        raise RunError(msg) from None
    except subprocess.CalledProcessError as err:
        msg = f'{call[0]} failed: {err.stderr.strip()}'
        raise RunError(msg) from err
    return done.stdout.strip()


def to_do(
    runs: Sequence[Run], state: Callable[[Run], State], retry_failed: bool
) -> tuple[list[Run], dict[State, list[Run]]]:
    """Return the runs to execute, and the others by their state."""
    states = {run: state(run) for run in runs}
    wanted = {'pending', 'interrupted'} | ({'failed'} if retry_failed else set())
    others: dict[State, list[Run]] = {}
    for run in runs:
        if states[run] not in wanted:
            others.setdefault(states[run], []).append(run)
    return [run for run in runs if states[run] in wanted], others
