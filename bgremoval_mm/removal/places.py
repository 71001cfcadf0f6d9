"""Where photos come from and results go to: a local folder, or any address that fsspec opens."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from bgremoval_mm.removal.files import sweep_leftovers, write_atomically
from bgremoval_mm.removal.images import (
    SUFFIXES,
    SourceImage,
    SourceStamp,
    check_bytes,
    decode_image,
    read_image,
)
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS
from bgremoval_mm.removal.scan import Scan, scan_tree

__all__ = ['LocalPlace', 'Place', 'UrlPlace', 'is_url', 'open_place']

# Object stores put a file whole or not at all; elsewhere it is written beside and renamed.
_ATOMIC = frozenset(('s3', 's3a', 'gs', 'gcs', 'abfs', 'abfss', 'az', 'adl', 'memory', 'oss'))


class Place(ABC):
    """A tree of files. Names are paths below its top, with ``/``. Places can be pickled."""

    address: str

    @abstractmethod
    def scan(self) -> Scan:
        """Find the images."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def read_image(
        self, name: str, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
    ) -> SourceImage:
        """Read a photograph; raises as ``images.read_image``."""

    @abstractmethod
    def has(self, name: str, stamp: SourceStamp, always_hash: bool = False) -> bool:
        """Whether a file still has the content of that stamp.

        Raises:
            OSError: If it cannot be read.
        """

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all; folders are made as needed.

        Raises:
            OSError: If it cannot be written.
        """

    @abstractmethod
    def sweep(self, names: set[str]) -> None:
        """Delete what killed processes left half-written in those folders."""

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.address!r})'


class LocalPlace(Place):
    """A folder of this machine's file system, or a mounted one.

    Args:
        root: The folder; need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = str(root)
        self._prepared: set[Path] = set()

    def scan(self) -> Scan:
        """Find the images, by content, following links."""
        return scan_tree(self.root)

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.root / name).is_file()

    def read_image(
        self, name: str, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
    ) -> SourceImage:
        """Read a photograph."""
        return read_image(self.root / name, max_pixels, max_bytes)

    def has(self, name: str, stamp: SourceStamp, always_hash: bool = False) -> bool:
        """Whether a file still has the content of that stamp."""
        return stamp.matches(self.root / name, always_hash)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all."""
        path = self.root / name
        if path.parent not in self._prepared:
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep_leftovers(path.parent)
            self._prepared.add(path.parent)
        write_atomically(path, content)

    def sweep(self, names: set[str]) -> None:
        """Delete what killed processes left half-written in those folders."""
        for name in names:
            sweep_leftovers(self.root / name)


class UrlPlace(Place):
    """A folder that fsspec opens: ``s3://bucket/photos``, ``gs://...``, ``memory://...``.

    Sizes and times come from one listing, so that a catalogue costs no request a file; what
    changes after it counts as unchanged until the next run. Images are told by their suffix,
    because looking at their first bytes would cost a request each.

    Args:
        url: Address of the folder. Access is configured as fsspec's file systems have it.

    Raises:
        ImportError: If the package that serves such addresses is not installed.
    """

    def __init__(self, url: str) -> None:
        self.address = url.rstrip('/')

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as err:
            msg = f'{self.address} needs fsspec: `pip install "bgremoval_mm[ray]"`'
            raise ImportError(msg) from err
        filesystem, path = url_to_fs(self.address)
        return filesystem, path.rstrip('/')

    @cached_property
    def _listing(self) -> dict[str, dict[str, Any]]:
        filesystem, root = self._opened
        filesystem.invalidate_cache()
        found = filesystem.find(root, detail=True)
        return {path[len(root) :].lstrip('/'): info for path, info in found.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {'address': self.address}

    def scan(self) -> Scan:
        """Find the images, by their suffix."""
        scan = Scan()
        for name in sorted(self._listing):
            path = PurePosixPath(name)
            hidden = any(part.startswith('.') for part in path.parts)
            image = path.suffix.lower() in SUFFIXES and not hidden
            (scan.images if image else scan.ignored).append(name)
        return scan

    def names(self) -> list[str]:
        """Every file."""
        return list(self._listing)

    def exists(self, name: str) -> bool:
        """Whether there was such a file when the place was first listed."""
        return name in self._listing

    def read(self, name: str) -> bytes:
        """Content of a file."""
        filesystem, root = self._opened
        content: bytes = filesystem.cat_file(f'{root}/{name}')
        return content

    def read_image(
        self, name: str, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
    ) -> SourceImage:
        """Read a photograph."""
        filesystem, root = self._opened
        info = filesystem.info(f'{root}/{name}')
        check_bytes(info.get('size') or 0, max_bytes)
        return decode_image(self.read(name), _mtime_ns(info), max_pixels, name)

    def has(self, name: str, stamp: SourceStamp, always_hash: bool = False) -> bool:
        """Whether a file had the content of that stamp when the place was first listed."""
        info = self._listing.get(name)
        if info is None:
            msg = f'{self.address}/{name}'
            raise FileNotFoundError(msg)
        size = info.get('size') or 0
        return stamp.is_of(size, _mtime_ns(info), lambda: self.read(name), always_hash)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all."""
        filesystem, root = self._opened
        path = f'{root}/{name}'
        protocols = filesystem.protocol
        protocols = {protocols} if isinstance(protocols, str) else set(protocols)
        filesystem.makedirs(path.rpartition('/')[0], exist_ok=True)
        if protocols & _ATOMIC:
            filesystem.pipe_file(path, content)
            return
        temporary = f'{path}.{os.getpid()}.part'
        filesystem.pipe_file(temporary, content)
        filesystem.mv(temporary, path)

    def sweep(self, names: set[str]) -> None:
        """Nothing: stores that put whole files leave none that are half-written."""


def is_url(address: str | Path) -> bool:
    """Whether an address is one for fsspec: ``scheme://...``."""
    return '://' in str(address)


def open_place(address: str | Path) -> Place:
    """The place of an address; ``file://`` is a local folder. Nothing is opened yet."""
    text = str(address)
    if text.startswith('file://'):
        return LocalPlace(Path(text.removeprefix('file://')))
    return UrlPlace(text) if is_url(text) else LocalPlace(Path(address))


def _mtime_ns(info: dict[str, Any]) -> int:
    """Time of modification out of what a file system says of a file; 0 if it does not."""
    for key in ('mtime', 'LastModified', 'last_modified', 'updated', 'modified', 'created'):
        value = info.get(key)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            value = value.timestamp()
        if isinstance(value, (int, float)):
            return int(value * 1_000_000_000)
    return 0
