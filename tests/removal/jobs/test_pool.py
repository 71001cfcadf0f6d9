"""Tests of threads that cannot hold the process, and of waits that end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Future
from pathlib import Path
from queue import Empty

import pytest

from bgremoval_mm.removal.jobs import pool
from bgremoval_mm.removal.jobs.pool import DaemonPool, StalledError, result_within


def test_pool_runs_what_is_submitted() -> None:
    """Results and errors reach who waits for them, and leaving waits for what was begun."""
    done = []
    with DaemonPool(3) as threads:
        futures = [threads.submit(lambda each: done.append(each) or each * 2, n) for n in range(20)]
        wrong = threads.submit(int, 'x')
        assert [future.result() for future in futures] == [2 * n for n in range(20)]
        with pytest.raises(ValueError, match=r"invalid literal for int.*'x'"):
            wrong.result()
        last = threads.submit(done.append, 'last')
    assert last.done()
    assert sorted(map(str, done)) == sorted([*map(str, range(20)), 'last'])


def test_what_was_not_begun_is_cancelled() -> None:
    """A pool that is left in the middle drops its queue and finishes what runs."""
    begun, go = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        go.wait(10)
        return 'finished'

    threads = DaemonPool(1)
    running, waiting = threads.submit(work), threads.submit(work)
    begun.wait(10)
    go.set()
    threads.shutdown(cancel_futures=True)
    assert running.result(0) == 'finished'
    if waiting.cancelled():
        with pytest.raises(CancelledError):
            waiting.result(0)


def test_leaving_does_not_wait_for_a_task_that_a_thread_has_just_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue may run empty while it is being cleared: that is no reason to wait for more."""
    threads = DaemonPool(1)
    threads.submit(int).result(10)
    taken = threading.Event()

    class Raced:
        """A queue that looks full, and whose tasks a thread takes first."""

        def empty(self) -> bool:
            return taken.is_set()

        def get(self) -> None:
            pytest.fail('waits for a task that may never come')

        def get_nowait(self) -> None:
            taken.set()
            raise Empty

        def put(self, task: object) -> None:
            queue.put(task)

    queue = threads._tasks
    monkeypatch.setattr(threads, '_tasks', Raced())
    threads.shutdown(wait=False, cancel_futures=True)
    assert taken.is_set()


def test_stuck_thread_does_not_keep_the_process(repository: Path) -> None:
    """A process whose thread waits for ever ends all the same."""
    code = (
        'import threading\n'
        'from bgremoval_mm.removal.jobs.pool import DaemonPool\n'
        'threads = DaemonPool(1)\n'
        'threads.submit(threading.Event().wait)\n'
        'threads.shutdown(wait=False)\n'
        'print("left")\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, 'left\n'), done.stderr


def test_result_that_never_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd
) -> None:
    """A line each minute, then an error that says what was awaited and where the threads stand."""
    monkeypatch.setattr(pool, '_NOTICE', 0.02)
    with pytest.raises(StalledError, match=r'finished for 0 s, while waiting for a\.jpg; where'):
        result_within(Future(), 0.05, lambda: 'a.jpg', lambda: False)
    assert 'waiting for a.jpg' in caplog.text
    assert 'test_result_that_never_comes' in capfd.readouterr().err


def test_downloads_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time in which weights are downloaded is not time without progress."""
    monkeypatch.setattr(pool, '_NOTICE', 0.01)
    future: Future[int] = Future()
    turns = iter(range(20))

    def paused() -> bool:
        if next(turns) == 15:
            future.set_result(7)
        return True

    assert result_within(future, 0.03, lambda: 'x', paused) == 7


def test_error_of_the_work_is_not_taken_for_a_stall() -> None:
    """A TimeoutError that the work itself met comes through as it is."""
    future: Future[int] = Future()
    future.set_exception(TimeoutError('the file server'))
    with pytest.raises(TimeoutError, match='the file server'):
        result_within(future, 1, lambda: 'x', lambda: False)


STUCK = """
import ctypes, threading
from concurrent.futures import Future
from bgremoval_mm.removal.jobs import pool
pool._GRACE = 0.5
def hold_the_lock():
    ctypes.PyDLL(None).sleep(60)  # PyDLL calls without letting the interpreter's lock go
threading.Timer(0.3, hold_the_lock).start()
pool.result_within(Future(), 1.0, lambda: 'x', lambda: False)
"""


@pytest.mark.slow
def test_deadlock_that_holds_the_interpreters_lock(repository: Path) -> None:
    """Where no thread of Python can run, faulthandler tells where they stand and ends it all."""
    done = subprocess.run(
        [sys.executable, '-c', STUCK],
        cwd=repository,
        env={**os.environ, 'PYTHONPATH': str(repository)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 1
    assert 'hold_the_lock' in done.stderr
    assert 'result_within' in done.stderr
