"""CSV files that people have written, or saved by a spreadsheet."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = ['open_csv']


@contextmanager
def open_csv(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open a CSV file for csv's readers; bytes that are no UTF-8 are surrogates, as in paths.

    Raises:
        ArgumentError: In the place of csv's error, which does not name the file.
        OSError: If it cannot be read.
    """
    # Spreadsheets put a byte order mark before what they save as UTF-8.
    with Path(path).open(encoding='utf-8-sig', errors='surrogateescape', newline='') as file:
        try:
            yield file
        except csv.Error as err:
            msg = f'{printable(path)} cannot be read as CSV (a quotation mark not closed?): {err}'
            raise ArgumentError(msg) from err
