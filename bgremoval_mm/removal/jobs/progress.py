"""The progress of a job: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import Protocol, Self

from tqdm import tqdm

__all__ = ['Progress', 'progress_bar']

_INTERVAL = 30.0
_SLOW = 0.1  # items a second, below which they are counted by the hour


class Progress(Protocol):
    """A display of progress; tqdm's interface, as far as it is used."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *error: object) -> None:
        """End."""

    def update(self, number: int = 1) -> object:
        """Count items that are done."""

    def set_postfix(self, *, refresh: bool = True, **figures: int) -> None:
        """Set the figures that are shown behind the rate."""

    def set_postfix_str(self, s: str = '', refresh: bool = True) -> None:
        """Set a text that is shown in place of the figures."""


def progress_bar(
    total: int, desc: str = '', unit: str = ' images', disable: bool = False
) -> Progress:
    """Show progress on standard error.

    A bar redraws itself with carriage returns, which fill a log file with one endless line; where
    standard error is not a terminal, a line of its own is written every 30 seconds.

    Args:
        total: Number of items.
        desc: Name of the work.
        unit: Name of the items, with a blank before it.
        disable: Show nothing.
    """
    if disable or sys.stderr.isatty():
        bar: Progress = tqdm(total=total, desc=desc, unit=unit, disable=disable)
        return bar
    return _Lines(total, desc, unit)


class _Lines:
    """Progress as lines, for logs."""

    def __init__(self, total: int, desc: str, unit: str) -> None:
        self._total = total
        self._start = f'{desc}: ' if desc else ''
        self._unit = unit
        self._done = 0
        self._figures: dict[str, int] = {}
        self._text = ''
        self._began = self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, number: int = 1) -> None:
        self._done += number
        now = time.monotonic()
        if now - self._written < _INTERVAL:
            return
        self._written = now
        rate = self._done / (now - self._began)
        per = (rate, 's') if rate >= _SLOW else (3600 * rate, 'h')
        parts = [f'{self._done}/{self._total}{self._unit}', f'{per[0]:.2f}{self._unit}/{per[1]}']
        parts += [self._text] if self._text else []
        parts += [f'{value} {name}' for name, value in self._figures.items() if value]
        sys.stderr.write(self._start + ', '.join(parts) + '\n')
        sys.stderr.flush()

    def set_postfix(self, *, refresh: bool = True, **figures: int) -> None:
        self._figures = figures

    def set_postfix_str(self, s: str = '', refresh: bool = True) -> None:
        self._text = s
