"""Reading files whole: regular ones only, and no more of them than a limit in bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from bgremoval_mm.removal.images.opening import ImageError
from bgremoval_mm.removal.options import MAX_BYTES

__all__ = ['check_bytes', 'open_now', 'read_bytes']

_SPECIAL_FILES = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a named pipe (FIFO)'),
    (stat.S_ISSOCK, 'a socket'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> tuple[bytes, int]:
    """Return a regular file's content and its time of modification in nanoseconds.

    Raises:
        ImageError: If it is larger than `max_bytes`, or a pipe, a device or the like.
        OSError: If it cannot be read.
    """
    check_regular(path.stat().st_mode)
    with open_now(path) as file:
        status = os.fstat(file.fileno())
        check_regular(status.st_mode)
        check_bytes(status.st_size, max_bytes)
        content = file.read(max_bytes + 1)  # it may have grown, or hide its size as /proc does
        check_bytes(len(content), max_bytes)
    return content, status.st_mtime_ns


def check_bytes(size: int, max_bytes: int) -> None:
    """Refuse a file of that many bytes, unless it is within the limit."""
    if size > max_bytes:
        msg = f'{size:,} bytes are more than the limit of {max_bytes:,} (max_bytes)'
        raise ImageError(msg)


def open_now(path: Path) -> BinaryIO:
    """Open a file for reading, without waiting where the file has become a pipe."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    return os.fdopen(os.open(path, flags), 'rb')


def check_regular(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    what = next((name for is_it, name in _SPECIAL_FILES if is_it(mode)), 'a special file')
    msg = f'not a regular file but {what}'
    raise ImageError(msg)
