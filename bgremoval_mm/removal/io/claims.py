"""Claims on a folder: jobs of one kind share it, and keep those of any other kind out."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bgremoval_mm.removal.errors import BgremovalError

__all__ = ['ClaimedError', 'claim']

_PATTERN = '.job-*.lock'


class ClaimedError(BgremovalError):
    """Another process holds the folder; `purpose` says what it makes there."""

    def __init__(self, folder: Path, purpose: str) -> None:
        self.purpose = purpose
        super().__init__(f'another process makes {purpose} in {folder}')


@contextmanager
def claim(folder: Path, purpose: str) -> Iterator[None]:
    """Hold a folder for a purpose, together with all processes that have the same one.

    Each purpose has a file in the folder, which its processes lock together (flock), so that the
    system releases it however a process ends. The last one deletes it. Where a folder cannot be
    written to, or its file system has no locks, it is not held.

    Args:
        folder: The folder; made if it is not there, and deleted if it stays empty.
        purpose: What is made there, in words that are equal for what may be made at once.

    Raises:
        ClaimedError: If a process holds the folder for another purpose.
    """
    name = hashlib.sha256(purpose.encode()).hexdigest()[:16]
    path = folder / _PATTERN.replace('*', name)
    handle = None
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle = _lock(path, purpose)
    try:
        # Ours first, so that of two that begin at once one sees the other at least.
        for other in sorted(folder.glob(_PATTERN)):
            if other != path and (found := _held_for(other)) is not None:
                raise ClaimedError(folder, found)
        yield
    finally:
        if handle is not None:
            _release(handle, path)
        with suppress(OSError):
            for each in made:
                each.rmdir()  # only if nothing came of it


def _lock(path: Path, purpose: str) -> int:
    """Return a handle of the file, locked together with others; waits while one deletes it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
        except OSError:  # no locks here
            os.close(handle)
            path.unlink()
            raise
        if _is_at(handle, path):
            with suppress(OSError):  # a full disk: the work will say so
                os.pwrite(handle, purpose.encode(), 0)
            return handle
        os.close(handle)  # the file was deleted before it was locked


def _held_for(path: Path) -> str | None:
    """Return for what a claim's file is held; delete it, if its processes have ended."""
    with suppress(OSError):  # released meanwhile, another user's, or on a file system without locks
        handle = os.open(path, os.O_RDWR)
        try:
            if not _delete_if_free(handle, path):
                return os.pread(handle, 1 << 16, 0).decode(errors='replace')
        finally:
            os.close(handle)
    return None


def _release(handle: int, path: Path) -> None:
    """Release a claim; the last one deletes its file."""
    try:
        with suppress(OSError):
            _delete_if_free(handle, path)
    finally:
        os.close(handle)


def _delete_if_free(handle: int, path: Path) -> bool:
    """Delete a claim's file, unless another process has it locked; return whether none has."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if _is_at(handle, path):
        path.unlink()
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Return whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
