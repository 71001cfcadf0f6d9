"""Finding the images of a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from bgremoval_mm.removal.images import looks_like_image


@dataclass
class Scan:
    """What a folder holds. Paths are relative to it, with ``/``, in sorted order.

    Attributes:
        images: Files that are, or by their name should be, images.
        ignored: Other files, and hidden ones.
        unreadable: Files and folders that cannot be opened, with the reason.
    """

    images: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def scan_tree(root: Path) -> Scan:
    """Find the images below a folder, by content, following links (but no loops).

    A file may be given instead of a folder; it is then the only one.
    """
    scan = Scan()
    if root.is_file():
        scan.images.append(root.name)
    else:
        _scan_folder(root, '', scan, frozenset())
    return scan


def _scan_folder(folder: Path, prefix: str, scan: Scan, above: frozenset[str]) -> None:
    real = os.path.realpath(folder)
    if real in above:
        scan.unreadable[prefix.rstrip('/')] = 'a link to a folder that it lies in'
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as err:
        scan.unreadable[prefix.rstrip('/') or '.'] = f'the folder cannot be read: {err.strerror}'
        return
    for entry in entries:
        name = prefix + entry.name
        if entry.name.startswith('.'):
            scan.ignored.append(name)
        elif entry.is_dir():
            _scan_folder(Path(entry.path), name + '/', scan, above | {real})
        else:
            try:
                is_image = looks_like_image(Path(entry.path))
            except OSError as err:
                scan.unreadable[name] = f'the file cannot be read: {err.strerror}'
                continue
            (scan.images if is_image else scan.ignored).append(name)
