"""The same work on very many files, on all cores, whatever happens to some of them."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import connection
from typing import Any

from tqdm import tqdm

from bgremoval_mm.utils.cpu import usable_cores

_CHUNK = 8


def add_workers_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the option that says how many processes there are."""
    parser.add_argument(
        '--workers', type=_at_least_one, metavar='N', help='processes (default: one a core)'
    )


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = f'must be at least 1, but got {number}'
        raise argparse.ArgumentTypeError(msg)
    return number


def for_each(
    work: Callable[[Any], Any],
    jobs: Sequence[tuple[str, Any]],
    title: str,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Call a function for each job, in processes of their own.

    Args:
        work: A function of a module, so that it can be sent to another process.
        jobs: Name and argument of each job.
        title: What stands before the progress bar.
        workers: Number of processes; None is one a core.
        progress: Show a progress bar, if there is a terminal.

    Returns:
        Results by name, in the order of jobs, and errors by name.
    """
    results: dict[str, Any] = {}
    failures: dict[str, str] = {}
    with ProcessPoolExecutor(workers or usable_cores(), initializer=_begin) as pool:
        try:
            done = pool.map(partial(_attempt, work), jobs, chunksize=_CHUNK)
            for name, result, error in tqdm(
                done, title, len(jobs), unit=' images', disable=None if progress else True
            ):
                if error is None:
                    results[name] = result
                else:
                    failures[name] = error
        except BaseException:
            # Leaving the block would wait for all that is not yet begun.
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return results, failures


def _begin() -> None:
    # A terminal sends Ctrl-C to every process; the parent deals with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when its parent is killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _attempt(work: Callable[[Any], Any], job: tuple[str, Any]) -> tuple[str, Any, str | None]:
    name, argument = job
    try:
        return name, work(argument), None
    except Exception as err:  # noqa: BLE001
        # Readers of foreign files raise what they like; one bad file must not end the job.
        kind = type(err)
        ours = kind.__module__.partition('.')[0] == __name__.partition('.')[0]
        return name, None, str(err) if ours else f'{kind.__name__}: {err}'
