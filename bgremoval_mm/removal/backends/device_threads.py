"""One thread a device, which alone loads and runs networks there.

CUDA graphs that TorchInductor has recorded may be replayed only by the thread that recorded them,
while each job, and each caller of a remover, comes with threads of its own. So whoever wants
something of a device has its thread do it, and waits. On a CPU the same keeps PyTorch to one team
of OpenMP's threads, which a forked child could not use: it makes its own, with a thread of its own.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from bgremoval_mm.removal.backends.base import DeviceError
from bgremoval_mm.removal.zoo.weights import is_downloading

__all__ = ['LIMIT', 'run_on_device']

_R = TypeVar('_R')

# Seconds: a job has a limit of its own, which is below this one (jobs/pipeline.py).
LIMIT = 1800.0
_TURN = 1.0  # seconds between two looks at whether the thread is still there
_LEAVE = 120.0  # seconds that the process waits, when it ends, for what a device has begun


class _DeviceThread:
    """A thread that does one thing after another, in the order in which they come."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._finished = 0
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f'networks {device}', daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], _R], limit: float) -> _R:
        """Have the thread call the function; see `run_on_device`."""
        if threading.current_thread() is self._thread:
            return function()
        future: Future[_R] = Future()
        self._tasks.put((future, function))
        try:
            self._wait(future, limit)
            return future.result()
        finally:
            future.cancel()  # what is given up before it was begun is not to be done any more
            del future  # an error, which holds the batch by its traceback, would hold itself

    def end(self, limit: float) -> None:
        """End the thread after what it has begun; wait for that many seconds at most."""
        with suppress(Empty):
            while True:
                task = self._tasks.get_nowait()
                if task and task[0].set_running_or_notify_cancel():
                    task[0].set_exception(self._ending())
        self._tasks.put(None)
        self._thread.join(limit)

    def _wait(self, future: Future[Any], limit: float) -> None:
        waited, finished = 0.0, self._finished
        while not wait_for((future,), _TURN).done:
            if not self._thread.is_alive():
                raise self._ending()
            # Time in which others are served, or weights come, is not lost.
            is_busy = finished != self._finished or is_downloading()
            waited, finished = 0.0 if is_busy else waited + _TURN, self._finished
            if waited >= limit:
                msg = (
                    f'nothing was finished on {self.device} for {limit:.0f} s. What hangs there '
                    'cannot be ended from within: start the process again'
                )
                raise DeviceError(msg)

    def _ending(self) -> DeviceError:
        return DeviceError(f'the process is about to end: nothing more is run on {self.device}')

    def _work(self) -> None:
        while task := self._tasks.get():
            _do(*task)
            del task  # else the batch would stay until the next one
            self._finished += 1


def _do(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as err:  # noqa: BLE001  # it belongs to who waits for the result
        future.set_exception(err)
        del future  # see `call`
    else:
        future.set_result(result)


_threads: dict[str, _DeviceThread] = {}
_inherited: list[Any] = []
_guard = threading.Lock()  # of the dictionary; held for a look-up only
_is_registered = False


def run_on_device(device: str, function: Callable[[], _R], limit: float = LIMIT) -> _R:
    """Return what a function returns when the device's thread calls it; errors are its own, too.

    The thread is made when it is first needed, and stays as long as the process. It may call this
    itself. Whoever is interrupted while waiting leaves the others unharmed.

    Args:
        device: The device, by a name that no other one has.
        function: What is to be done there. It should not wait for other threads.
        limit: Seconds in which the device has finished nothing, of whomever, after which its thread
            is no longer waited for.

    Raises:
        DeviceError: If the limit has passed, or the process is about to end.
    """
    global _is_registered  # noqa: PLW0603
    with _guard:
        thread = _threads.get(device)
        if thread is None:
            thread = _threads[device] = _DeviceThread(device)
            if not _is_registered:
                # Now, not above: what was registered last is called first, and the runtime, which
                # is loaded by now, must not be taken away below a thread that is in it.
                atexit.register(_end_threads)
                _is_registered = True
    return thread.call(function, limit)


def _end_threads() -> None:
    """End all threads: one that the interpreter's end meets inside the runtime would crash it."""
    with _guard:
        ending = list(_threads.values())
        _threads.clear()
    for thread in ending:
        thread.end(_LEAVE)


def _forget_parents_threads() -> None:
    """Start without threads in a forked child: the parent's are not there."""
    global _guard  # noqa: PLW0603
    _guard = threading.Lock()
    _inherited.append(dict(_threads))
    _threads.clear()


os.register_at_fork(after_in_child=_forget_parents_threads)
