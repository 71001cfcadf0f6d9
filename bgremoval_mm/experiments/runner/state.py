"""What state a run is in, read from its folder."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from bgremoval_mm.experiments.runner.runs import FAILURE, LOCK, RESULT, SETTINGS, Run

__all__ = ['RunLock', 'State', 'is_locked', 'read_json', 'run_lock', 'state_of']

_PATIENCE_SECONDS = 2.0

State = Literal[
    'missing data', 'pending', 'interrupted', 'running', 'failed', 'done', 'other options'
]


def state_of(
    run: Run,
    root: Path,
    options: Sequence[str] = (),
    missing: Callable[[Run], str] = lambda _: '',
) -> State:
    """What is known of a run.

    Args:
        run: The run.
        root: Root of all runs.
        options: ``KEY=VALUE`` that the runs are to have; a run of other options is neither done
            nor can it be gone on with.
        missing: Says which data of a run are not there, see ``settings.missing_data``.
    """
    folder = root / run.name
    settings = read_json(folder / RESULT) or read_json(folder / SETTINGS)
    if settings is not None and settings.get('options', []) != list(options):
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


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None if there is no such file.

    Raises:
        ValueError: If the file holds something else; the message names it.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None
    except ValueError as err:
        msg = f'{path} is not JSON: {err}'
        raise ValueError(msg) from err
    if not isinstance(content, Mapping):
        msg = f'{path} must hold a JSON object, but holds a {type(content).__name__}'
        raise ValueError(msg)  # noqa: TRY004  # the file's fault
    return dict(content)


def run_lock(folder: Path) -> RunLock:
    """Return the lock of a run's folder, not yet acquired."""
    return RunLock(folder / LOCK)


class RunLock:
    """What the process that works on a run holds; the system frees it when that process ends.

    It is always waited for a moment, so that nobody who only asks, see :func:`is_locked`, keeps a
    worker from its run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def acquire(self, timeout: float = 0) -> Any:
        """Acquire it; the result is a context manager that releases it.

        Args:
            timeout: Seconds to wait for another worker; at least two.

        Raises:
            filelock.Timeout: If another process holds it all that time.
        """
        from filelock import FileLock

        return FileLock(self.path).acquire(max(timeout, _PATIENCE_SECONDS), poll_interval=0.01)


def is_locked(folder: Path) -> bool:
    """Whether a process is at work on a run.

    Asking shares the lock for microseconds: any number may ask at once, and a worker that comes in
    that moment waits for its end.
    """
    try:
        with (folder / LOCK).open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
