"""Reading whole files: regular ones only, within a limit in bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from bgremoval_mm.removal.images.opening import ImageError
from bgremoval_mm.removal.options import MAX_BYTES

__all__ = ['check_bytes', 'check_regular', 'open_now', 'read_bytes', 'read_within', 'type_of']

_PIECE = 1 << 20

_SPECIAL = {
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a named pipe (FIFO)',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a character device',
    stat.S_IFBLK: 'a block device',
}


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
        content = read_within(file, max_bytes, status.st_size)
    return content, status.st_mtime_ns


def read_within(file: BinaryIO, max_bytes: int, expected: int = 0) -> bytes:
    """Return what is left of a file, piece by piece: memory is taken for what comes alone.

    Args:
        file: The file.
        max_bytes: More are refused.
        expected: Its size, which may grow, or be hidden as that of /proc is.

    Raises:
        ImageError: If it is larger than `max_bytes`.
        OSError: If it cannot be read.
    """
    pieces = [file.read(min(expected, max_bytes) + 1)]
    size = len(pieces[0])
    while size <= max_bytes and (piece := file.read(min(_PIECE, max_bytes + 1 - size))):
        pieces.append(piece)
        size += len(piece)
    check_bytes(size, max_bytes)
    return b''.join(pieces)


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
    """Refuse a file whose mode says that it is not a regular one."""
    if not stat.S_ISREG(mode):
        msg = f'not a regular file but {type_of(mode)}'
        raise ImageError(msg)


def type_of(mode: int) -> str:
    """Return what a file's mode says that it is, in words, if it is not a regular one."""
    return _SPECIAL.get(stat.S_IFMT(mode), 'a special file')
