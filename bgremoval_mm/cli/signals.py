"""Ctrl-C and SIGTERM: one line and an exit code, at any moment, and nothing half-written.

While a program starts there is nothing to wind up, and an exception out of the middle of an import
may get lost: a signal ends the process at once. While it works (see `raised`), a signal is an
exception, so that `finally` clauses record what is done. Whoever cannot wait for that presses
Ctrl-C again.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

__all__ = ['Terminated', 'exit_code', 'install', 'raised', 'received', 'say']

_WORDS = {signal.SIGINT: 'Interrupted', signal.SIGTERM: 'Terminated'}
# A terminal signals the whole group of processes, and a parent such as make or uv hands the same
# Ctrl-C on: what comes so soon is no second one.
_SAME_SECONDS = 1.0


class Terminated(KeyboardInterrupt):
    """SIGTERM came. What winds up on Ctrl-C, in libraries too, winds up on it as well."""


class _State:
    """What this process is doing, and which signal came first, and when."""

    working = False
    said = False
    received: int | None = None
    since = 0.0
    process = 0


_state = _State()


def install() -> None:
    """Take over both signals, except one that whoever started the process has ignored."""
    _state.process = os.getpid()
    sys.unraisablehook = _unraisable
    for number in _WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


@contextmanager
def raised() -> Iterator[None]:
    """Have signals raise KeyboardInterrupt or Terminated, because there is something to wind up."""
    _state.working = True
    try:
        yield
    finally:
        _state.working = False


def received() -> int | None:
    """Return the signal that came, whether its exception arrived or was turned into another one."""
    return _state.received


def exit_code(number: int) -> int:
    """Return the exit code that a shell gives to a process that was ended by this signal."""
    return 128 + number


def say(number: int) -> None:
    """Tell that this signal has ended the program."""
    if _state.said:
        return
    _state.said = _state.received is not None
    print(_line(number), file=sys.stderr, flush=True)


def _line(number: int) -> str:
    # The empty line ends the one in which a terminal shows ^C.
    start = '\n' if os.isatty(2) else ''
    return f'{start}{_WORDS[signal.Signals(number)]}. Run the same command again to go on.'


def _handle(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _state.process:  # a forked worker: its parent has the say
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        return
    now = time.monotonic()
    if _state.received is None:
        _state.received, _state.since = number, now
        if _state.working:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
    elif _state.working and now - _state.since < _SAME_SECONDS:
        return
    _leave()


def _leave() -> NoReturn:
    """End now: files are written atomically, so this is always safe."""
    number = _state.received or signal.SIGINT
    if not _state.said:
        with suppress(OSError):  # standard error is gone
            # No `print`: the signal may have come in the middle of one.
            os.write(2, f'{_line(number)}\n'.encode())
    os._exit(exit_code(number))


def _unraisable(unraisable: Any) -> None:
    """Obey a signal whose exception arose where Python has to drop it, such as in a ``__del__``."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _leave()
    sys.__unraisablehook__(unraisable)
