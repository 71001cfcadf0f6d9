"""What state a run is in, as its folder shows."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from bgremoval_mm.experiments.papers import WORKS
from bgremoval_mm.experiments.runner.runs import FAILURE, LOCK, RESULT, SETTINGS, Run, Workspace
from bgremoval_mm.utils.json_io import read_json

__all__ = ['RunLock', 'State', 'is_locked', 'is_same_run', 'run_lock', 'state_of']

_PATIENCE_SECONDS = 2.0

State = Literal[
    'missing data', 'pending', 'interrupted', 'running', 'failed', 'done', 'other options'
]


def state_of(run: Run, workspace: Workspace, missing: Callable[[Run], str] = lambda _: '') -> State:
    """Return the state of a run.

    Args:
        run: The run.
        workspace: Where it is, with which options; a run that was begun with other options, or for
            another work, is neither done nor can it be resumed.
        missing: Describes which data of a run are missing, see ``options.missing_data``.
    """
    folder = workspace.folder(run)
    settings = read_json(folder / RESULT) or read_json(folder / SETTINGS)
    if settings is not None and not is_same_run(settings, run, workspace):
        return 'other options'
    if (folder / RESULT).is_file():
        return 'done'
    if is_locked(folder):
        return 'running'
    if (folder / FAILURE).is_file():
        return 'failed'
    if missing(run):
        return 'missing data'
    return 'interrupted' if (folder / 'last_checkpoint').is_file() else 'pending'


def is_same_run(settings: Mapping[str, Any], run: Run, workspace: Workspace) -> bool:
    """Return whether a folder's files are of a run with the options of a workspace.

    Two works may have a config in common, as VGG-11 on Clothing10; their runs have one folder then,
    and each is shown in its own work's report only.

    Args:
        settings: ``result.json`` or ``run.json``.
        run: The run.
        workspace: Where it is, with which options.
    """
    wanted = run.describe()
    begun = {'work': WORKS[0], **settings.get('experiment', wanted)}
    same = all(begun.get(key) == wanted[key] for key in ('work', 'place'))
    return same and settings.get('options', []) == list(workspace.options)


def run_lock(folder: Path) -> RunLock:
    """Return the lock of a run's folder, not yet acquired."""
    return RunLock(folder / LOCK)


class RunLock:
    """The lock that the process of a run holds; the system frees it when that process ends.

    Acquiring it always waits a moment, so that a process that only asks, see :func:`is_locked`,
    keeps no worker from its run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def acquire(self, timeout: float = 0) -> Any:
        """Acquire it, and return a context manager that releases it.

        Args:
            timeout: Seconds to wait for another worker; at least two.

        Raises:
            filelock.Timeout: If another process holds it all that time.
        """
        from filelock import FileLock

        return FileLock(self.path).acquire(max(timeout, _PATIENCE_SECONDS), poll_interval=0.01)


def is_locked(folder: Path) -> bool:
    """Return whether a process is at work on a run.

    Asking shares the lock for microseconds: any number of processes may ask at once, and a worker
    that comes in that moment waits.
    """
    try:
        with (folder / LOCK).open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
