"""Tables as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

__all__ = ['csv_bytes']


def csv_bytes(header: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    """Return the content of a CSV file: UTF-8, commas, lines that end in a line feed.

    File names that are not UTF-8 keep their bytes, as everywhere: Python has them as surrogates.

    Args:
        header: Names of the columns.
        rows: The cells of each row, by column; cells of other columns are left out.
    """
    stream = io.StringIO(newline='')
    writer = csv.DictWriter(stream, header, lineterminator='\n', extrasaction='ignore')
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode('utf-8', 'surrogateescape')
