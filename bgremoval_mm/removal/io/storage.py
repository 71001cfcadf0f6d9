"""Storage of images and results: a folder of this machine, or an address that fsspec opens."""

from __future__ import annotations

import errno
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bgremoval_mm.removal.images.reading import read_image
from bgremoval_mm.removal.images.source import SourceImage, SourceStamp
from bgremoval_mm.removal.io.addresses import local_path
from bgremoval_mm.removal.io.claims import claim
from bgremoval_mm.removal.io.scan import Scan, scan_tree
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically

__all__ = ['LocalStorage', 'Staged', 'Storage', 'Unwritten', 'open_storage']


class Staged(Protocol):
    """A file that is not in its place yet. Both methods raise OSError where they fail."""

    def commit(self) -> None:
        """Put it in its place, or replace what is there."""

    def discard(self) -> None:
        """Drop it, unless it is in its place."""


class Storage(ABC):
    """A tree of files. Names are paths below its top, with ``/``. It can be pickled.

    Attributes:
        address: Path or address of the top.
        only: Name of a file in it, which is then all that a scan finds.
        can_append: Whether a file can grow; elsewhere files are written as a whole.
    """

    can_append = False

    def __init__(self, address: str, only: str = '') -> None:
        self.address = address
        self.only = only

    @abstractmethod
    def scan(self) -> Scan:
        """Find the images."""

    @abstractmethod
    def as_file(self) -> Storage | None:
        """Return the folder with this file alone, if the address is one of a file."""

    @abstractmethod
    def glob(self, pattern: str) -> list[str]:
        """Return the names of the top folder's own files that match a pattern, e.g. ``*.json``."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""

    @abstractmethod
    def size_and_time(self, name: str) -> tuple[int | None, int]:
        """Return a file's size in bytes and its time of modification in nanoseconds.

        A size that is not known is None, a time that is not known 0.

        Raises:
            OSError: If they cannot be read; FileNotFoundError, if there is no such file.
        """

    def state(self, name: str) -> tuple[object, ...]:
        """Return what changes with a file's content, as far as that is known without reading it.

        Raises:
            OSError: If it cannot be told; FileNotFoundError, if there is no such file.
        """
        return self.size_and_time(name)

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            OSError: If it cannot be read; FileNotFoundError, if it is not there.
        """

    @abstractmethod
    def read_image(
        self, name: str, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
    ) -> SourceImage:
        """Read a photograph; raises as ``images.read_image``."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file, so that no reader sees a part of it; folders are made as needed.

        Raises:
            OSError: If it cannot be written.
        """

    def stage(self, name: str, content: bytes) -> Staged:
        """Bring a file to the place where nobody sees it, as far as that is possible here.

        Here it is not: nothing is done before `Staged.commit`.

        Raises:
            OSError: If it cannot be written.
        """
        return Unwritten(self, name, content)

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a file, if it is there.

        Raises:
            OSError: If it cannot be deleted.
        """

    @abstractmethod
    def sweep(self, folders: set[str]) -> None:
        """Delete what killed processes left half-written in those folders."""

    def claim(self, purpose: str) -> AbstractContextManager[None]:
        """Hold the tree for a purpose, where the storage has locks; see `claims.claim`.

        Raises:
            ClaimedError: If a process holds it for another purpose.
        """
        return nullcontext()

    def address_of(self, name: str) -> str:
        """Return the path or address of a file."""
        return f'{self.address}/{name}'

    def has(self, name: str, stamp: SourceStamp, always_hash: bool = False) -> bool:
        """Return whether a file still has the content of that stamp.

        Where size or time is not known, the content is compared.

        Raises:
            OSError: If it cannot be read.
        """
        return stamp.is_of(*self.size_and_time(name), lambda: self.read(name), always_hash)

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file, which end at a line feed alone.

        Raises:
            OSError: If it cannot be read.
        """
        yield from io.BytesIO(self.read(name))

    def append(self, name: str, line: bytes) -> None:
        """Append a line to a file in one write, so that several processes can share the file.

        A line that a killed process left without its end is ended first.

        Raises:
            OSError: If it cannot be written, or only in part.
            io.UnsupportedOperation: If files cannot grow here.
        """
        msg = f'nothing can be appended to {self.address_of(name)}'
        raise io.UnsupportedOperation(msg)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.address!r})'


class Unwritten:
    """A file of which nothing is written before it is committed, see `Staged`."""

    def __init__(self, storage: Storage, name: str, content: bytes) -> None:
        self._write = partial(storage.write, name, content)

    def commit(self) -> None:
        """Write it."""
        self._write()

    def discard(self) -> None:
        """Do nothing."""


class LocalStorage(Storage):
    """A folder of this machine's file system, or a mounted one.

    Args:
        root: The folder; need not exist.
        only: Name of a file in it, which is then all that a scan finds.
    """

    can_append = True

    def __init__(self, root: Path, only: str = '') -> None:
        super().__init__(str(root), only)
        self.root = root
        self._prepared: set[Path] = set()

    def __getstate__(self) -> dict[str, Any]:
        root = self.root.absolute()  # the process that gets it may stand in another folder
        return self.__dict__ | {'root': root, 'address': str(root), '_prepared': set()}

    def scan(self) -> Scan:
        """Find the images, by content, following links."""
        return Scan([self.only]) if self.only else scan_tree(self.root)

    def as_file(self) -> LocalStorage | None:
        """Return the folder with this file alone, if the path is one of a file."""
        return LocalStorage(self.root.parent, self.root.name) if self.root.is_file() else None

    def glob(self, pattern: str) -> list[str]:
        """Return the names of the folder's own files that match a pattern, sorted."""
        return sorted(path.name for path in self.root.glob(pattern) if path.is_file())

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        try:
            return (self.root / name).is_file()
        except OSError:  # e.g. a name that is too long
            return False

    def size_and_time(self, name: str) -> tuple[int, int]:
        """Return a file's size in bytes and its time of modification in nanoseconds."""
        status = (self.root / name).stat()
        return status.st_size, status.st_mtime_ns

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self.root / name).read_bytes()

    def read_image(
        self, name: str, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
    ) -> SourceImage:
        """Read a photograph."""
        return read_image(self.root / name, max_pixels, max_bytes)

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file, without holding all of it."""
        with (self.root / name).open('rb') as file:
            yield from file

    def write(self, name: str, content: bytes) -> None:
        """Write a file under a temporary name, then move it."""
        path = self.root / name
        if path.parent not in self._prepared:
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep_leftovers(path.parent)
            self._prepared.add(path.parent)
        write_atomically(path, content)

    def append(self, name: str, line: bytes) -> None:
        """Append a line to a file in one write."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            end = os.fstat(handle).st_size
            if end and os.pread(handle, 1, end - 1) != b'\n':
                line = b'\n' + line
            written = os.write(handle, line)
        finally:
            os.close(handle)
        if written < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        path = self.root / name
        try:
            path.unlink(missing_ok=True)
        except OSError:
            # A read-only file system refuses before it looks whether there is such a file.
            if os.path.lexists(path):
                raise

    def sweep(self, folders: set[str]) -> None:
        """Delete what killed processes of this machine left half-written in those folders."""
        for name in folders:
            sweep_leftovers(self.root / name)

    def claim(self, purpose: str) -> AbstractContextManager[None]:
        """Hold the folder for a purpose."""
        return claim(self.root, purpose)

    def address_of(self, name: str) -> str:
        """Return the path of a file."""
        return str(self.root / name)


def open_storage(address: str | Path | Storage) -> Storage:
    """Return the storage at a path or an address. Nothing is opened yet."""
    if isinstance(address, Storage):
        return address
    path = local_path(address)
    if path is not None:
        return LocalStorage(path)
    from bgremoval_mm.removal.io.fsspec_storage import FsspecStorage

    return FsspecStorage(str(address))
