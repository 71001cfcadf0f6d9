"""The manifest of pairs: a CSV file that datasets and reports read."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.csv_files import open_csv
from bgremoval_mm.removal.pairs.pairing import SPLITS, Rejection
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.messages import first_few
from bgremoval_mm.utils.text import printable

__all__ = [
    'DEALT',
    'GIVEN',
    'Pair',
    'check_manifest_target',
    'check_rejections_target',
    'read_manifest',
    'relative_to_manifest',
    'write_manifest',
    'write_rejections',
]

GIVEN, DEALT = 'given', 'dealt'
_REJECTED = tuple(field.name for field in fields(Rejection))


@dataclass(frozen=True)
class Pair:
    """A row of the manifest.

    Attributes:
        image: The photo, relative to the manifest's folder, with ``/``.
        mask: The mask, in the same way.
        width: Of the upright photo, in pixels.
        height: The same.
        image_sha256: Of the photo's file.
        mask_sha256: Of the mask's file.
        foreground: Share of foreground, 0 to 1.
        cluster: Name of the cluster, or nothing.
        split: ``train``, ``val`` or ``test``.
        split_by: ``given`` by the user's list, or ``dealt`` out at random.
        item: Product that the photo shows, or nothing.
    """

    image: str
    mask: str
    width: int
    height: int
    image_sha256: str
    mask_sha256: str
    foreground: float
    cluster: str = ''
    split: str = ''
    split_by: str = DEALT
    item: str = ''


_COLUMNS = tuple(field.name for field in fields(Pair))


def read_manifest(path: str | Path) -> list[Pair]:
    """Read a manifest.

    Raises:
        ArgumentError: If it is none, or a row is wrong; names the line.
        OSError: If it cannot be read.
    """
    path = Path(path)
    pairs = []
    with open_csv(path) as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if tuple(header) != _COLUMNS:
            msg = (
                f'{printable(path)} must be a manifest of `bgremoval pairs check`, whose columns '
                f'are {", ".join(_COLUMNS)}, but has {first_few(header) or "none"}'
            )
            raise ArgumentError(msg)
        for row in reader:
            try:
                image, mask, width, height, *middle, share, cluster, split, by, item = row
                first, second = middle
                pair = Pair(
                    image, mask, int(width), int(height), first, second, float(share), cluster,
                    split, by, item,
                )  # fmt: skip
            except ValueError as err:
                msg = f'{printable(path)}, line {reader.line_num}: not a row of a manifest: {err}'
                raise ArgumentError(msg) from err
            if split not in SPLITS:
                msg = (
                    f'{printable(path)}, line {reader.line_num}: split must be '
                    f'{", ".join(SPLITS)}, but is {split!r}'
                )
                raise ArgumentError(msg)
            pairs.append(pair)
    return pairs


def write_manifest(path: Path, pairs: Iterable[Pair]) -> None:
    """Write a manifest, all or nothing."""
    _write(path, _COLUMNS, (astuple(pair) for pair in pairs))


def write_rejections(path: Path, rejections: Iterable[Rejection]) -> None:
    """Write what was rejected, with the reasons, as a CSV file."""
    _write(path, _REJECTED, (astuple(each) for each in rejections))


def check_rejections_target(path: Path) -> None:
    """Refuse to replace a file that `write_rejections` has not written.

    Raises:
        ArgumentError: If there is such a file.
    """
    if path.exists() and not path.read_bytes().startswith(','.join(_REJECTED).encode() + b'\n'):
        msg = (
            f'{printable(path)} is there, but lists no rejected pairs. Move it away, or choose '
            'another --out'
        )
        raise ArgumentError(msg)


def check_manifest_target(path: Path) -> None:
    """Refuse to replace a file that is not a manifest.

    Raises:
        ArgumentError: If there is such a file.
    """
    if path.exists():
        read_manifest(path)


def relative_to_manifest(path: Path, manifest: Path) -> str:
    """Return a path as the manifest has it."""
    relative = os.path.relpath(path.absolute(), manifest.parent.absolute())
    return Path(relative).as_posix()


def _write(path: Path, header: Sequence[str], rows: Iterable[tuple[object, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(header)
    for row in rows:
        writer.writerow([f'{value:.6f}' if isinstance(value, float) else value for value in row])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.getvalue().encode('utf-8', 'surrogateescape'))
