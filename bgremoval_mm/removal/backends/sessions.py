"""Loaded models of this process, shared by everyone who needs the same one.

Sessions are made when first needed, and never carried over a fork: a child makes its own.

A runtime takes its first steps in one thread alone. Bindings to Python initialise themselves when
they are first used, and some deadlock when two threads do that at the same moment: OpenVINO's at
its first numpy array, where one thread holds the interpreter's lock and waits for the array's type
while the other does the reverse. So a session is made and first run under one lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

__all__ = ['release_sessions', 'run_session', 'shared_session']

_R = TypeVar('_R')

_sessions: dict[Hashable, Any] = {}
_used: set[Hashable] = set()
_inherited: list[Any] = []
_lock = threading.RLock()


def shared_session(key: Hashable, make: Callable[[], Any]) -> Any:
    """Return the session of a key, made if this process has none."""
    with _lock:
        if key not in _sessions:
            _sessions[key] = make()
        return _sessions[key]


def run_session(key: Hashable, make: Callable[[], Any], run: Callable[[Any], _R]) -> _R:
    """Run the session of a key; the first run is finished before another thread begins one.

    Args:
        key: Which session; equal keys share one.
        make: Makes the session if this process has none.
        run: What to do with the session. Called from any thread, several at once but for the first.
    """
    if key not in _used:
        with _lock:
            if key not in _used:
                result = run(shared_session(key, make))
                _used.add(key)
                return result
    session = _sessions.get(key)
    return run(shared_session(key, make) if session is None else session)


def release_sessions() -> None:
    """Drop this process's sessions and the memory that they hold; they come back if needed."""
    with _lock:
        _sessions.clear()
        _used.clear()


def _forget_parents_sessions() -> None:
    """Start without sessions in a forked child.

    The parent's have lost their threads here: running one hangs, and so may destroying it,
    hence they are set aside. The lock may have been held by another thread at the fork.
    """
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    _inherited.append(dict(_sessions))
    _sessions.clear()
    _used.clear()


os.register_at_fork(after_in_child=_forget_parents_sessions)
