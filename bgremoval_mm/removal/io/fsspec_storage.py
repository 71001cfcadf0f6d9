"""Storage at an address that fsspec opens."""

from __future__ import annotations

import mimetypes
import re
import time
from contextlib import suppress
from datetime import datetime
from fnmatch import fnmatch
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import check_bytes, decode_image
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.io.s3_upload import S3Upload
from bgremoval_mm.removal.io.scan import Scan, has_image_suffix, is_litter
from bgremoval_mm.removal.io.storage import Staged, Storage
from bgremoval_mm.removal.io.store_errors import as_os_error
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS
from bgremoval_mm.utils.atomic import is_leftover, temporary_name

__all__ = ['FsspecStorage']

# Object stores put whole files; elsewhere a file is written beside its name and renamed.
_ATOMIC = frozenset(('s3', 's3a', 'gs', 'gcs', 'abfs', 'abfss', 'az', 'adl', 'memory', 'oss'))
# Names of files that are not whole yet: of any machine, and as version 0.1 named them.
_PARTIAL = re.compile(r'\.tmp-.*\.part|.*\.\d+\.part')
_ABANDONED_SECONDS = 24 * 3600
_S3 = frozenset(('s3', 's3a'))


class FsspecStorage(Storage):
    """A folder that fsspec opens: ``s3://bucket/photos``, ``gs://...``, ``memory://...``.

    Sizes and times come from one listing, so that a catalogue costs no request a file; what
    changes after it counts as unchanged until the next run. Images are recognised by their suffix,
    because looking at their first bytes would cost a request each.

    Args:
        url: Address of the folder. Access is configured as fsspec's file systems have it.
        only: Name of a file in it, which is then all that it holds.

    Raises:
        ArgumentError: If there is no such kind of address.
        ImportError: If the package that serves such addresses is not installed.
    """

    def __init__(self, url: str, only: str = '') -> None:
        super().__init__(url.rstrip('/'), only)

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as err:
            msg = f'{self.address} needs fsspec: `pip install "bgremoval_mm[ray]"`'
            raise ImportError(msg) from err
        try:
            filesystem, path = url_to_fs(self.address)
        except ValueError as err:
            msg = f'{self.address} is not an address that fsspec opens: {err}'
            raise ArgumentError(msg) from err
        return filesystem, path.rstrip('/')

    @cached_property
    def _listing(self) -> dict[str, dict[str, Any]]:
        filesystem, root = self._opened
        filesystem.invalidate_cache()
        if self.only:
            return {self.only: self._info(self.only)}
        with as_os_error(self.address):
            found = filesystem.find(root, detail=True)
        return {path[len(root) :].removeprefix('/'): info for path, info in found.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {'address': self.address, 'only': self.only}

    def as_file(self) -> FsspecStorage | None:
        """Return the folder with this file alone, if the address is one of a file."""
        if set(self._listing) != {''} or self._listing[''].get('type', 'file') != 'file':
            return None
        head, chained, rest = self.address.partition('::')
        if '://' not in head:  # a cache, in front of the address proper
            before, (head, chained, rest) = head + chained, rest.partition('::')
        else:
            before = ''
        folder, _, name = head.rpartition('/')
        return FsspecStorage(f'{before}{folder}{chained}{rest}', name)

    def scan(self) -> Scan:
        """Find the images, by their suffix."""
        if self.only:
            return Scan([self.only])
        scan = Scan()
        for name in sorted(self._listing):
            parts = PurePosixPath(name).parts
            hidden = any(is_litter(part) and part != '..' for part in parts)
            if hidden or not has_image_suffix(name):
                scan.ignored.append(name)
            elif name != str(PurePosixPath(name)) or name.startswith('/') or '..' in parts:
                scan.unreadable[name] = 'its name has a part that is empty, "." or ".."'  # a//b.jpg
            elif self._listing[name].get('type') == 'other':
                scan.unreadable[name] = 'not a file'  # a FIFO, a device
            else:
                scan.images.append(name)
        return scan

    def glob(self, pattern: str) -> list[str]:
        """Return the names of the top folder's own files that match a pattern, sorted."""
        return sorted(name for name in self._listing if '/' not in name and fnmatch(name, pattern))

    def exists(self, name: str) -> bool:
        """Return whether there was such a file at the first listing."""
        return name in self._listing

    def size_and_time(self, name: str) -> tuple[int | None, int]:
        """Return a file's size in bytes and its time in nanoseconds at the first listing."""
        info = self._listing.get(name)
        if info is None:
            raise FileNotFoundError(self.address_of(name))
        return info.get('size'), _mtime_ns(info)

    def state(self, name: str) -> tuple[object, ...]:
        """Return what changes with a file's content, at the first listing: its tag, too.

        The times of S3 are whole seconds, in which a photo can be replaced by one of its size.
        """
        tags = (self._listing[name].get(key) for key in ('ETag', 'etag'))
        return (*self.size_and_time(name), *filter(None, tags))

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        filesystem, root = self._opened
        with as_os_error(self.address_of(name)):
            content: bytes = filesystem.cat_file(f'{root}/{name}')
        return content

    def _info(self, name: str) -> dict[str, Any]:
        filesystem, root = self._opened
        with as_os_error(self.address_of(name)):
            info: dict[str, Any] = filesystem.info(f'{root}/{name}')
        return info

    def read_image(
        self, name: str, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
    ) -> SourceImage:
        """Read a photograph."""
        info = self._info(name)
        check_bytes(info.get('size') or 0, max_bytes)
        return decode_image(self.read(name), _mtime_ns(info), max_pixels, name)

    def write(self, name: str, content: bytes) -> None:
        """Write a file, so that no reader sees a part of it."""
        filesystem, root = self._opened
        folder, _, last = f'{root}/{name}'.rpartition('/')
        with as_os_error(self.address_of(name)):
            if self._is_atomic:
                # No folder is made: stores have none, and would make a bucket of a misspelt name.
                filesystem.pipe_file(f'{folder}/{last}', content, **self._headers(last))
                return
            filesystem.makedirs(folder, exist_ok=True)
            temporary = f'{folder}/{temporary_name()}'
            try:
                filesystem.pipe_file(temporary, content)
                _rename(filesystem, temporary, f'{folder}/{last}')
            except BaseException:
                with suppress(Exception):
                    filesystem.rm_file(temporary)
                raise

    def stage(self, name: str, content: bytes) -> Staged:
        """Upload a file, which S3 shows at `commit`; elsewhere, nothing is done before that."""
        if not self._protocols & _S3:
            return super().stage(name, content)
        filesystem, root = self._opened
        address = self.address_of(name)
        return S3Upload(filesystem, f'{root}/{name}', content, self._headers(name), address)

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        filesystem, root = self._opened
        with suppress(FileNotFoundError), as_os_error(self.address_of(name)):
            filesystem.rm_file(f'{root}/{name}')

    def sweep(self, folders: set[str]) -> None:
        """Delete what killed processes left half-written in those folders.

        Object stores have nothing of the kind. A file of another machine counts as left behind
        after a day.
        """
        if self._is_atomic:
            return
        for name, info in self._listing.items():
            path = PurePosixPath(name)
            if str(path.parent) not in folders or _PARTIAL.fullmatch(path.name) is None:
                continue
            written = _mtime_ns(info) / 1e9
            if is_leftover(path.name) or 0 < written < time.time() - _ABANDONED_SECONDS:
                with suppress(OSError):
                    self.delete(name)

    def _headers(self, name: str) -> dict[str, str]:
        """Return what else a store is told of a file: browsers need the type of a picture."""
        kind = mimetypes.guess_type(name)[0]
        return {'ContentType': kind} if kind and self._protocols & _S3 else {}

    @property
    def _is_atomic(self) -> bool:
        return bool(self._protocols & _ATOMIC)

    @property
    def _protocols(self) -> frozenset[str]:
        protocols = self._opened[0].protocol
        return frozenset((protocols,) if isinstance(protocols, str) else protocols)


def _rename(filesystem: Any, old: str, new: str) -> None:
    """Rename a file, whose name may hold ``[``, ``*`` or ``?``."""
    from fsspec import AbstractFileSystem

    if type(filesystem).mv is not AbstractFileSystem.mv:
        filesystem.mv(old, new)
        return
    # The inherited `mv` copies and deletes as well, but takes names for patterns.
    filesystem.cp_file(old, new)
    filesystem.rm_file(old)


def _mtime_ns(info: dict[str, Any]) -> int:
    """Return the time of modification from a file system's entry on a file, 0 if it has none.

    Any that is not after 1970 is none: stores that know no time say so.
    """
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
            return max(0, int(value * 1_000_000_000))
    return 0
