"""Atomic writing: files are written under a temporary name, then moved."""

from __future__ import annotations

import os
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path

__all__ = ['StagedFile', 'is_leftover', 'sweep_leftovers', 'temporary_name', 'write_atomically']

_HOST = socket.gethostname().replace('-', '_')[:40]
_NAME = re.compile(rf'\.tmp-{re.escape(_HOST)}-(\d+)-.*\.part')


def write_atomically(path: Path, content: bytes, folder: Path | None = None) -> None:
    """Write a file so that no reader, and no later run, ever sees a part of it.

    Args:
        path: Its place.
        content: Its bytes.
        folder: Where it lies until it is whole, on the same file system; beside its place if None.

    Raises:
        OSError: As the file system reports it; nothing is left behind then.
    """
    staged = StagedFile(path, content, folder)
    try:
        staged.commit()
    except BaseException:
        staged.discard()
        raise


class StagedFile:
    """A file that is whole, but not in its place yet: `commit` moves it there.

    Args:
        path: Its place.
        content: Its bytes.
        folder: Where it lies until then, see `write_atomically`.
        durable: Whether it outlives a power failure once `commit` has returned.

    Raises:
        OSError: As the file system reports it; nothing is left behind then.
    """

    def __init__(
        self, path: Path, content: bytes, folder: Path | None = None, durable: bool = False
    ) -> None:
        self._path, self._durable = path, durable
        self._temporary = (folder or path.parent) / temporary_name()
        handle = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(handle, 'wb') as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
        except BaseException:
            self.discard()
            raise

    def commit(self) -> None:
        """Move it to its place, or replace what is there."""
        self._temporary.replace(self._path)
        if self._durable:
            _sync_folder(self._path.parent)

    def discard(self) -> None:
        """Delete it, unless it is in its place."""
        self._temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_name() -> str:
    """Return a new name, of this machine and process, for a file that is not yet whole."""
    return f'.tmp-{_HOST}-{os.getpid()}-{secrets.token_hex(8)}.part'


def is_leftover(name: str) -> bool:
    """Return whether a file was left half-written by a process of this machine that has ended."""
    found = _NAME.fullmatch(name)
    return found is not None and not _is_alive(int(found[1]))


def sweep_leftovers(folder: Path) -> None:
    """Delete the temporary files that killed processes of this machine left in a folder."""
    try:
        leftovers = [path for path in folder.iterdir() if is_leftover(path.name)]
    except OSError:
        return  # not there, or reported when it is written to
    for path in leftovers:
        with suppress(OSError):
            path.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
