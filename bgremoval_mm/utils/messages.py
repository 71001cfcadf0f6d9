"""Parts of error messages: what a folder holds, and the beginning of a long list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ['first_few', 'what_is_at']

_SHOWN = 5


def what_is_at(folder: Path) -> str:
    """Describe what a folder holds, for an error about what it does not hold."""
    if not folder.exists():
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        return f'{folder} does not exist' + (
            '' if above == folder.absolute().parent else f' (nor anything below {above})'
        )
    if not folder.is_dir():
        return f'{folder} is a file'
    names = sorted(f'{entry.name}/' if entry.is_dir() else entry.name for entry in folder.iterdir())
    return f'{folder} holds {first_few(names)}' if names else f'{folder} is empty'


def first_few(names: Sequence[str]) -> str:
    """List the first names and say how many more there are.

    Bytes that are not UTF-8, as old archives leave them in names, are shown as escapes: a log file
    could not hold them.
    """
    shown = ', '.join(names[:_SHOWN]).encode('utf-8', 'backslashreplace').decode()
    return shown + (f' and {len(names) - _SHOWN:,} more' if len(names) > _SHOWN else '')
