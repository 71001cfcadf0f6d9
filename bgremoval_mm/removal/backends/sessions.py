"""Loaded models of this process, shared by everyone who needs the same one.

Sessions are made when first needed, and never carried over a fork: a child makes its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ['release_sessions', 'shared_session']

_sessions: dict[Hashable, Any] = {}
_inherited: list[Any] = []
_lock = threading.Lock()


def shared_session(key: Hashable, make: Callable[[], Any]) -> Any:
    """The session of a key, made if this process has none."""
    with _lock:
        if key not in _sessions:
            _sessions[key] = make()
        return _sessions[key]


def release_sessions() -> None:
    """Drop this process's sessions and the memory that they hold; they come back if needed."""
    with _lock:
        _sessions.clear()


def _forget_parents_sessions() -> None:
    """Start without sessions in a forked child.

    The parent's have lost their threads here: running one hangs, and so may destroying it,
    hence they are set aside. The lock may have been held by another thread at the fork.
    """
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _inherited.append(dict(_sessions))
    _sessions.clear()


os.register_at_fork(after_in_child=_forget_parents_sessions)
