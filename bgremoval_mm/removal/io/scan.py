"""The list of images in a folder, which jobs, watches and datasets share."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.formats import IMAGE_SUFFIXES
from bgremoval_mm.removal.images.reading import looks_like_image
from bgremoval_mm.removal.images.regular_files import type_of

__all__ = ['Entry', 'Scan', 'is_litter', 'list_images', 'scan_tree', 'walk']

# What systems and network disks leave beside photos, some of it with an image's suffix: resource
# forks of a Mac's archive, thumbnails, and bins of deleted files.
_LITTER = frozenset(
    (
        '__macosx',
        '@eadir',
        '@recycle',
        '#recycle',
        '$recycle.bin',
        'system volume information',
        'lost+found',
        'thumbs.db',
    )
)
# Links below links that double the ways at each level would never end.
_MOST_WAYS = 200


class Entry(NamedTuple):
    """Something that a walk met: a regular file, unless it is ignored or unreadable.

    Attributes:
        path: Path below the root, with ``/``.
        state: Something that is different after a change of the file.
        ignored: Whether it is skipped unseen: hidden, or neither a file nor named as an image.
        unreadable: Why it cannot be opened, or nothing.
    """

    path: str
    state: tuple[int | str, ...] = ()
    ignored: bool = False
    unreadable: str = ''


@dataclass
class Scan:
    """The content of a folder. Paths are relative to it, with ``/``, in sorted order.

    Attributes:
        images: Files that are, or by their name should be, images.
        ignored: Other files, and hidden ones.
        unreadable: Files and folders that cannot be opened, with the reason.
    """

    images: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def is_litter(name: str) -> bool:
    """Return whether a file or folder of that name is skipped, with all that it holds."""
    return name.startswith('.') or name.casefold() in _LITTER


def has_image_suffix(path: str) -> bool:
    """Return whether a file is named as an image is."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def scan_tree(root: Path) -> Scan:
    """Find the images below a folder, by content, following links (but no loops).

    A file may be given instead of a folder; it is then the only one.
    """
    scan = Scan()
    if root.is_file():
        scan.images.append(root.name)
        return scan
    for entry in walk(root):
        if entry.ignored:
            scan.ignored.append(entry.path)
        elif entry.unreadable:
            scan.unreadable[entry.path] = entry.unreadable
        else:
            try:
                is_image = looks_like_image(root / entry.path)
            except FileNotFoundError:
                continue  # gone since the folder was listed
            except OSError as err:
                scan.unreadable[entry.path] = f'the file cannot be read: {err.strerror}'
                continue
            (scan.images if is_image else scan.ignored).append(entry.path)
    return scan


def list_images(root: str | Path) -> list[Path]:
    """List the images below a folder by the rules of `scan_tree`, in its order.

    Raises:
        ArgumentError: If there is none.
    """
    folder = Path(root)
    scan = scan_tree(folder)
    if not scan.images:
        reason = scan.unreadable.get('.', 'there is none')
        msg = f'{folder} must be a folder with images, but {reason}'
        raise ArgumentError(msg)
    return [folder] if folder.is_file() else [folder / name for name in scan.images]


def walk(root: Path) -> Iterator[Entry]:
    """List a folder and all folders below it, without opening a file.

    Links are followed, so that what two links lead to is met twice. A link to a folder that it lies
    in is unreadable. So is the second link of a path that belongs to a circle of links: of ten
    folders with links to each other, each is met under itself and once by each link to it, and not
    in every order of the ten. What disappears while it is listed is left out.
    """
    yield from _Walk(os.fspath(root))


@dataclass
class _Open:
    """A folder that is being walked through."""

    prefix: str
    real: str
    entries: Iterator[os.DirEntry[str]]
    links: int  # how many of them led here
    circle: str  # folder of the last link that led here and belongs to a circle, or nothing


class _Walk:
    # Not recursive: trees are deeper than Python's stack.
    def __init__(self, root: str) -> None:
        self._root = root
        self._stack: list[_Open] = []
        self._above: set[str] = set()
        self._ways: Counter[str] = Counter()
        self._folders_in: dict[str, list[str]] = {}
        self._reached: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[Entry]:
        yield from self._open(self._root, '.', os.path.realpath(self._root))
        while self._stack:
            folder = self._stack[-1]
            entry = next(folder.entries, None)
            if entry is None:
                self._above.discard(folder.real)
                self._stack.pop()
            else:
                yield from self._look(folder, entry)

    def _open(
        self, path: str, name: str, real: str, links: int = 0, circle: str = ''
    ) -> Iterator[Entry]:
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as err:
            if not isinstance(err, FileNotFoundError) or path == self._root:
                yield Entry(name, _state(path), unreadable=f'the folder cannot be read: {_of(err)}')
            return
        prefix = '' if path == self._root else name + '/'
        self._stack.append(_Open(prefix, real, iter(entries), links, circle))
        self._above.add(real)

    def _look(self, folder: _Open, entry: os.DirEntry[str]) -> Iterator[Entry]:
        name = folder.prefix + entry.name
        if is_litter(entry.name):
            yield Entry(name, ignored=True)
            return
        try:
            status = entry.stat()
        except OSError as err:
            if (reason := _why_not(entry, err)) is not None:
                yield Entry(name, _state(entry.path), unreadable=reason)
            return
        if stat.S_ISREG(status.st_mode):
            yield Entry(name, (status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        elif stat.S_ISDIR(status.st_mode):
            yield from self._enter(folder, entry, name)
        elif has_image_suffix(name):
            what = ('a link to ' if entry.is_symlink() else '') + type_of(status.st_mode)
            yield Entry(name, _state(entry.path), unreadable=f'{what}, not a file')
        else:
            yield Entry(name, ignored=True)

    def _enter(self, folder: _Open, entry: os.DirEntry[str], name: str) -> Iterator[Entry]:
        is_link = entry.is_symlink()
        real = os.path.realpath(entry.path) if is_link else _join(folder.real, entry.name)
        links = folder.links + is_link
        circle, reason = folder.circle, ''
        if real in self._above:
            reason = 'a link to a folder that it lies in'
        elif is_link and folder.real in (below := self._below(real)):
            reason = 'the second link of a circle of links' if circle in below else ''
            circle = folder.real
        if links > 1 and not reason:
            self._ways[real] += 1
            if self._ways[real] > _MOST_WAYS:
                reason = f'links below links lead to this folder in more than {_MOST_WAYS} ways'
        if reason:
            yield Entry(name, _state(entry.path), unreadable=reason)
        else:
            yield from self._open(entry.path, name, real, links, circle)

    def _below(self, real: str) -> set[str]:
        """Return the folders that a walk from this one could reach, itself among them."""
        if real not in self._reached:
            found, pending = {real}, [real]
            while pending:
                new = set(self._list_folders(pending.pop())) - found
                found |= new
                pending += new
            self._reached[real] = found
        return self._reached[real]

    def _list_folders(self, real: str) -> list[str]:
        if real not in self._folders_in:
            found = self._folders_in[real] = []
            try:
                for entry in os.scandir(real):
                    if is_litter(entry.name) or not entry.is_dir():
                        continue
                    link = entry.is_symlink()
                    found.append(os.path.realpath(entry.path) if link else _join(real, entry.name))
            except OSError:
                pass  # reported when the walk comes here
        return self._folders_in[real]


def _join(folder: str, name: str) -> str:
    return f'{folder.rstrip("/")}/{name}'


def _why_not(entry: os.DirEntry[str], err: OSError) -> str | None:
    """Return why something cannot be looked at; None if it is gone since its folder was listed."""
    try:
        is_link = entry.is_symlink()
    except OSError:
        is_link = False
    if isinstance(err, FileNotFoundError):
        return 'a link to something that is not there' if is_link else None
    return f'the file cannot be read: {_of(err)}'


def _state(path: str) -> tuple[int | str, ...]:
    """Return figures that change with something that cannot be read."""
    try:
        status = os.lstat(path)
    except OSError as err:
        return (_of(err),)
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


def _of(err: OSError) -> str:
    return err.strerror or str(err)
