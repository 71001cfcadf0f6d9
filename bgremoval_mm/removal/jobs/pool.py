"""A pool of threads for jobs, and waiting with a limit."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from bgremoval_mm.removal.errors import BgremovalError

__all__ = ['DaemonPool', 'StalledError', 'result_within']

logger = logging.getLogger(__name__)

_R = TypeVar('_R')

_NOTICE = 60.0  # seconds after which a wait is reported, and then again and again
_GRACE = 60.0  # seconds by which the interpreter may be late with ending a wait itself
_LEAVE = 30.0  # seconds that a pool which is left waits for what its threads have begun


class StalledError(BgremovalError, RuntimeError):
    """Nothing was finished within the limit."""


class DaemonPool(Executor):
    """A pool of threads that cannot keep the process from ending.

    ``concurrent.futures.ThreadPoolExecutor`` joins its threads when it is left and when the
    interpreter ends, however long that takes: a thread that is stuck in a network file system would
    hold the process for ever. These are daemons, and leaving the pool waits 30 seconds for them.

    Args:
        threads: Number of threads.
    """

    def __init__(self, threads: int) -> None:
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., _R], /, *args: Any, **kwargs: Any) -> Future[_R]:
        """Have a thread call the function."""
        future: Future[_R] = Future()
        self._tasks.put((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads after what they have begun, or after all that was submitted.

        Args:
            wait: Wait for them, 30 seconds at most.
            cancel_futures: Drop what was submitted and not begun.
        """
        if cancel_futures:
            with contextlib.suppress(Empty):  # a thread may take the last one at this moment
                while True:
                    if (task := self._tasks.get_nowait()) is not None:
                        task[0].cancel()
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + (_LEAVE if wait else 0)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, call = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as err:  # noqa: BLE001  # it belongs to who waits for the result
                future.set_exception(err)


def result_within(
    future: Future[_R], limit: float, what: Callable[[], str], paused: Callable[[], bool]
) -> _R:
    """Return the result of a future, with a line each minute while it is awaited.

    A binding that deadlocks while it holds the interpreter's lock stops every thread of Python,
    this one too. For that case faulthandler's own thread stands by: it needs no lock, writes where
    each thread stands, and ends the process with exit code 1 a minute after the limit.

    Args:
        future: The result that is awaited.
        limit: Seconds after which it is given up.
        what: Returns what is awaited, for messages.
        paused: Returns whether the present minute does not count, as while weights are downloaded.

    Raises:
        StalledError: If the limit has passed; where each thread stands is on standard error.
    """
    waited = 0.0
    while not future.done():
        turn = min(_NOTICE, limit - waited)
        with contextlib.suppress(Exception):  # standard error may be closed, or not a file
            faulthandler.dump_traceback_later(limit + _GRACE, exit=True, file=2)
        try:
            wait_for((future,), turn)
        finally:
            faulthandler.cancel_dump_traceback_later()
        if future.done():
            break
        if paused():
            continue
        waited += turn
        if waited >= limit:
            with contextlib.suppress(Exception):
                faulthandler.dump_traceback(2, all_threads=True)
            msg = (
                f'nothing was finished for {limit:.0f} s, while waiting for {what()}; where each '
                'thread stands is on standard error. What was done is kept; run again to go on.'
            )
            raise StalledError(msg)
        logger.warning('nothing was finished for %.0f s, waiting for %s', waited, what())
    return future.result()
