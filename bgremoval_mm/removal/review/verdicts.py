"""The verdicts that a reviewer downloads: keep or reject, per image."""

from __future__ import annotations

import csv
import os
from urllib.parse import quote_from_bytes, unquote_to_bytes

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.csv_files import open_csv
from bgremoval_mm.utils.text import printable

__all__ = ['VERDICTS', 'exact_form', 'read_verdicts']

VERDICTS = ('keep', 'reject')


def exact_form(path: str) -> str:
    r"""Return a path's bytes, percent-encoded: what a browser and a spreadsheet leave as it is.

    >>> exact_form(b'a/Mu\xf1oz 1.jpg'.decode('utf-8', 'surrogateescape'))
    'a/Mu%F1oz%201.jpg'
    """
    return quote_from_bytes(path.encode('utf-8', 'surrogateescape'))


def read_verdicts(file: str | os.PathLike[str]) -> dict[str, str]:
    """Read the CSV file that a review page gives.

    Its columns are ``path``, ``verdict`` and ``path_bytes``: a browser cannot hold a name that is
    no valid text, so the file's exact name is the last one, percent-encoded (see `exact_form`).
    Files of version 0.1 have no such column; there the path is taken as it stands.

    Args:
        file: The file.

    Returns:
        Path below the image folder, as ``os.listdir`` spells it, to ``'keep'`` or ``'reject'``.
        Of two rows on one path the later one holds.

    Raises:
        ArgumentError: If it is not such a file.
        OSError: If it cannot be read.
    """
    verdicts: dict[str, str] = {}
    with open_csv(file) as lines:
        table = csv.DictReader(lines)
        if not {'path', 'verdict'} <= set(table.fieldnames or ()):
            msg = (
                f'{printable(file)} must be a CSV file with the columns path and verdict, as a '
                f'review page gives it, but its first line is {printable(table.fieldnames or "")}'
            )
            raise ArgumentError(msg)
        for row in table:
            if row['verdict'] not in VERDICTS:
                msg = (
                    f'{printable(file)}, line {table.line_num}: the verdict must be one of '
                    f'{", ".join(VERDICTS)}, but got {printable(row["verdict"])!r}'
                )
                raise ArgumentError(msg)
            path = _path(row)
            if not path:
                msg = f'{printable(file)}, line {table.line_num}: the verdict is on no path'
                raise ArgumentError(msg)
            verdicts[path] = row['verdict']
    return verdicts


def _path(row: dict[str, str]) -> str | None:
    exact = row.get('path_bytes')
    if exact:
        return unquote_to_bytes(exact).decode('utf-8', 'surrogateescape')
    return row['path']  # None where the line ends before it
