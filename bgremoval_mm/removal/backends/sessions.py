"""Loaded models of this process, shared by everyone who needs the same one.

Sessions are made when first needed, and never carried over a fork: a child makes its own.

A session is made and first run by one thread, and the others that need the same one wait for it;
those that need another one do not, for TensorRT takes minutes to make a session.

A runtime takes its first steps in one thread alone. Bindings to Python initialise themselves when
they are first used, and some deadlock when two threads do that at the same moment: OpenVINO's at
its first numpy array, where one thread holds the interpreter's lock and waits for the array's type
while the other does the reverse. So until a runtime has run one session from beginning to end, the
first runs of its sessions, whatever their models, are under one lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from typing import Any, TypeVar

__all__ = ['lock_of', 'release_sessions', 'run_session']

_R = TypeVar('_R')


class _Session:
    """A session, once it is loaded, and what its first run waits for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loaded: Any = None
        self.is_used = False


_sessions: dict[Hashable, _Session] = {}
_locks: dict[str, threading.Lock] = {}  # of the runtimes
_used: set[str] = set()  # runtimes
_inherited: list[Any] = []
_guard = threading.Lock()  # of the dictionaries; held for a look-up only


def run_session(
    runtime: str, key: Hashable, make: Callable[[], Any], run: Callable[[Any], _R]
) -> _R:
    """Run the session of a key; the first run is finished before another thread begins one.

    Args:
        runtime: The runtime that it is a session of.
        key: Which session; equal keys share one.
        make: Makes the session if this process has none.
        run: What to do with the session. Called from any thread, several at once but for the first.
    """
    with _guard:
        session = _sessions.setdefault(key, _Session())
    if not session.is_used:
        with session.lock:
            if session.loaded is None:
                session.loaded = make()
            if not session.is_used:
                with nullcontext() if runtime in _used else lock_of(runtime):
                    result = run(session.loaded)
                _used.add(runtime)
                session.is_used = True
                return result
    return run(session.loaded)


def lock_of(runtime: str) -> threading.Lock:
    """Return the lock under which a runtime takes its first steps in this process."""
    with _guard:
        return _locks.setdefault(runtime, threading.Lock())


def release_sessions() -> None:
    """Drop this process's sessions and the memory that they hold; they come back if needed."""
    with _guard:
        _sessions.clear()


def _forget_parents_sessions() -> None:
    """Start without sessions in a forked child.

    The parent's have lost their threads here: running one hangs, and so may destroying it,
    hence they are set aside. Its locks may have been held by other threads at the fork.
    """
    global _guard  # noqa: PLW0603
    _guard = threading.Lock()
    _inherited.append(dict(_sessions))
    for each in (_sessions, _locks, _used):
        each.clear()


os.register_at_fork(after_in_child=_forget_parents_sessions)
