"""The lists of DeepFashion: a count, the names of the columns, then a row a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['image_folder', 'read_counted_list', 'refuse_repeated']


def read_counted_list(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Read a list of DeepFashion.

    Its first line is the number of rows, its second the names of the columns; cells are separated
    by spaces. Every benchmark of DeepFashion comes with a README that says so.

    Args:
        path: The file.
        columns: Names that the second line must have.

    Returns:
        The cells of each row.

    Raises:
        ArgumentError: If the first line is not a number, the second names other columns, a row has
            more or fewer cells, or there are more or fewer rows than the first line says.
    """
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as err:
        msg = f'{path} must be a text file of DeepFashion, but is not UTF-8: {err}'
        raise ArgumentError(msg) from None
    count = lines[0].strip() if lines else ''
    if not count.isdecimal():
        msg = f'the first line of {path} must be the number of its rows, but is {count[:40]!r}'
        raise ArgumentError(msg)
    names = lines[1].split() if len(lines) > 1 else []
    if names != list(columns):
        msg = (
            f'the second line of {path} must be {" ".join(columns)!r}, but is '
            f'{" ".join(names)[:80]!r}'
        )
        raise ArgumentError(msg)
    rows = [tuple(line.split()) for line in lines[2:] if line.strip()]
    wrong = [' '.join(row) for row in rows if len(row) != len(columns)]
    if wrong:
        msg = (
            f'each row of {path} must have {len(columns)} cells, but {len(wrong):,} have not: '
            f'{first_few(wrong)}'
        )
        raise ArgumentError(msg)
    if len(rows) != int(count):
        msg = f'the first line of {path} says {int(count):,} rows, but there are {len(rows):,}'
        raise ArgumentError(msg)
    return rows


def refuse_repeated(path: Path, names: Sequence[str]) -> None:
    """Check that a list names each photo once.

    Args:
        path: The list, for the error.
        names: What it names.

    Raises:
        ArgumentError: If a name is there twice.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        msg = f'{path} must name each photo once, but names {first_few(twice)} more often'
        raise ArgumentError(msg)


def image_folder(root: Path) -> str:
    """Return where the photos' names begin, below the dataset's folder, with ``/``.

    The lists name photos ``img/...``. ``img.zip``, which is in the folder ``Img`` of the download,
    is unpacked either there or beside it.

    Args:
        root: Folder of the dataset.

    Returns:
        ``'Img/'`` or ``''``.
    """
    return 'Img/' if (root / 'Img' / 'img').is_dir() else ''
