"""Calling a function as soon as some module has been imported, by whoever imports it first.

So this package can be imported in a few milliseconds, without the frameworks that it plugs into,
and is still in its place when they come.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ['when_imported']

_waiting: list[tuple[str, Callable[[], object]]] = []
_lock = threading.RLock()


def when_imported(name: str, callback: Callable[[], object]) -> None:
    """Call a function once, when a module has been imported: at once if it already is.

    An import that is under way is waited for, whichever thread does it; finding the module without
    executing it counts for nothing. The function runs before the import statement returns, and what
    it raises, the import statement raises.

    Args:
        name: Full name of the module, which need not be installed.
        callback: Called without arguments.
    """
    with _lock:
        _waiting.append((name, callback))
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
    _look_at(name)


def _look_at(name: str) -> None:
    """Act on a module that may be imported already, or be half-way through it."""
    module = sys.modules.get(name)
    if module is None:
        return
    spec = getattr(module, '__spec__', None)
    if getattr(spec, '_initializing', False) and type(spec) is ModuleSpec:
        spec.__class__ = _WatchedSpec
    if not getattr(spec, '_initializing', False):  # asked again: it may have ended in between
        _call_back(name)


def _call_back(name: str) -> None:
    """Call everything that waits for a module, each once; behind the last, clear up."""
    with _lock:
        due = [callback for awaited, callback in _waiting if awaited == name]
        _waiting[:] = [each for each in _waiting if each[0] != name]
        if not _waiting and _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)
    for callback in due:
        callback()


class _Finder:
    """Has the other finders find an awaited module, and listens to its execution."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that is waited for; every other one is left to the other finders."""
        awaited = {each for each, _ in _waiting}
        for other in awaited - {name}:
            _look_at(other)  # a loader that went past this finder is noticed here
        if name not in awaited:
            return None
        finders = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in finders)
        spec = next((each for each in found if each is not None), None)
        if spec is not None:
            spec.loader = _listening(spec.loader, name)
        return spec


def _listening(loader: Any, name: str) -> Any:
    """Return a copy of a loader (which may be shared) that tells when it has run the module."""
    if isinstance(loader, type) or not hasattr(loader, 'exec_module'):
        return loader  # of a built-in module, or of none: noticed at the next import

    def exec_module(module: ModuleType) -> None:
        del listening.exec_module  # so that nothing of this is left on the module
        loader.exec_module(module)
        _call_back(name)

    from copy import copy

    listening = copy(loader)
    listening.exec_module = exec_module
    return listening


class _WatchedSpec(ModuleSpec):
    """The spec of a module whose import is under way already: tells when that has ended.

    Its loader runs and cannot be exchanged any more, but the import system marks the spec.
    """

    @property
    def _initializing(self) -> bool:
        return bool(self.__dict__['_initializing'])

    @_initializing.setter
    def _initializing(self, value: bool) -> None:
        self.__dict__['_initializing'] = value
        if not value and self.name in sys.modules:  # else the import has failed
            _call_back(self.name)


_FINDER: Any = _Finder()
