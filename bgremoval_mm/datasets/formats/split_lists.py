"""Lists of image paths, one per line, and the files on disk that they mean.

For FashionStyle14, whose names hold spaces, commas and Japanese characters, and which has been
through several archive programs.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from bgremoval_mm.datasets.base.checks import one_of
from bgremoval_mm.removal.errors import ArgumentError

TOP = 'dataset'
"""The folder that holds the folders of the classes."""

_ARCHIVE = 'FashionStyle14_v1'
# Names in old archives are not always UTF-8; undecodable bytes survive as os.listdir gives them.
_BYTES_SURVIVE = 'surrogateescape'


@dataclass(frozen=True)
class ImageTree:
    """The files in the folders of the classes.

    A name is found in whatever Unicode normalisation it is written: zip files from a Mac hold
    decomposed names (NFD), lists mostly composed ones (NFC).

    Attributes:
        paths: Paths of all files, relative to the dataset's folder.
        by_nfc: The same, by their NFC form.
    """

    paths: frozenset[str]
    by_nfc: Mapping[str, str]

    @classmethod
    def of(cls, root: Path, classes: Iterable[str]) -> ImageTree:
        """List the files below ``<root>/dataset/<class>``."""
        paths = []
        for name in classes:
            for folder, _, files in os.walk(root / TOP / name):
                relative = Path(folder).relative_to(root).as_posix()
                # A link that leads nowhere is among them.
                there = [file for file in files if Path(folder, file).is_file()]
                paths += [f'{relative}/{file}' for file in there]
        return cls(frozenset(paths), {nfc(path): path for path in paths})

    def find(self, path: str) -> str | None:
        """Return the path as it is on disk, or None if there is no such file."""
        return path if path in self.paths else self.by_nfc.get(nfc(path))


@dataclass(frozen=True)
class Subset:
    """A list, compared with what is on disk.

    Attributes:
        file: The list's file.
        paths: Images that are there, as on disk, in the list's order, each once.
        missing: Listed paths without a file, each once.
        duplicates: Number of lines that repeat an earlier one.
    """

    file: Path
    paths: tuple[str, ...]
    missing: tuple[str, ...]
    duplicates: int

    @property
    def counts(self) -> Counter[str]:
        """Number of images that are there, by class."""
        return Counter(map(label_of, self.paths))


def nfc(path: str) -> str:
    """Return the composed form of a name, the same for all ways to write it."""
    return normalize('NFC', path)


def label_of(path: str) -> str:
    """Return the class of ``dataset/<class>/<file>``."""
    return path.split('/')[1]


def parse_line(line: str) -> str | None:
    """Return the path ``dataset/<class>/<file>`` of a line; None for a blank line.

    A comma is a part of the name. Quotes around the line, backslashes and a leading ``./`` or
    ``FashionStyle14_v1/`` are taken off.

    Raises:
        ValueError: If it is no such path; the message is the reason.
    """
    text = line.strip(' \t\r\n')
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('""', '"')
    if not text:
        return None
    parts = [part for part in text.replace('\\', '/').split('/') if part not in ('', '.')]
    if parts[:1] == [_ARCHIVE]:
        parts = parts[1:]
    if len(parts) < 3 or parts[0] != TOP or '..' in parts or text[0] in '/\\':
        msg = f'each line must be a path {TOP}/<class>/<file>, but got {line.strip()!r}'
        raise ArgumentError(msg)
    return '/'.join(parts)


def parse_list(file: Path, classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Read a list of paths.

    Args:
        file: Text with one path per line, without a header; see :func:`parse_line`.
        classes: The labels that there are.

    Returns:
        The paths in the order of the file, repeated ones included; and what is wrong with the
        other lines, with file and number.
    """
    # Not by str.splitlines, nor by text mode's: a name may hold characters that they split at.
    text = file.read_bytes().decode('utf-8-sig', _BYTES_SURVIVE)
    paths, problems = [], []
    for number, line in enumerate(text.split('\n'), 1):
        try:
            path = parse_line(line)
            if path is None:
                continue
            one_of('label', label_of(path), classes)
            paths.append(path)
        except ValueError as err:
            problems.append(f'{file}, line {number}: {err}')
    return paths, problems


def read_list(file: Path, classes: Sequence[str]) -> list[str]:
    """Read a list of paths: :func:`parse_list` without its second result.

    Raises:
        ValueError: For a line that is no such path or has another label; names file and line.
    """
    paths, problems = parse_list(file, classes)
    if problems:
        more = f' ({len(problems) - 1:,} more lines are wrong)' if len(problems) > 1 else ''
        raise ArgumentError(problems[0] + more)
    return paths


def encode_list(paths: Iterable[str]) -> bytes:
    """Return the content of a list's file, which :func:`read_list` reads back.

    Raises:
        ValueError: If a name cannot stand in a list.
    """
    for path in paths:
        if '\n' in path or parse_line(path) != path:
            msg = f'the file name {path!r} cannot stand in a list of names: rename the file'
            raise ArgumentError(msg)
    return ''.join(f'{path}\n' for path in paths).encode('utf-8', _BYTES_SURVIVE)


def match_with_disk(file: Path, listed: Sequence[str], tree: ImageTree) -> Subset:
    """Compare a list with what is on disk."""
    found: dict[str, None] = {}  # a dict keeps the order
    missing: dict[str, None] = {}
    for path in listed:
        there = tree.find(path)
        if there is None:
            missing[nfc(path)] = None
        else:
            found[there] = None
    repeated = len(listed) - len(found) - len(missing)
    return Subset(file, tuple(found), tuple(missing), repeated)


def shared_paths(subsets: Mapping[str, Subset]) -> list[str]:
    """Return the images that are in more than one subset, sorted."""
    counts = Counter(path for subset in subsets.values() for path in subset.paths)
    return sorted(path for path, count in counts.items() if count > 1)


def digest(subsets: Mapping[str, Subset]) -> str:
    """Return the fingerprint of a split: sha256 over subset, order and NFC path of each image."""
    lines = (f'{name}\t{nfc(path)}\n' for name in subsets for path in subsets[name].paths)
    return hashlib.sha256(''.join(lines).encode('utf-8', _BYTES_SURVIVE)).hexdigest()
