"""Tables as CSV files."""

from __future__ import annotations

import csv
import io

from bgremoval_mm.utils.tables import csv_bytes


def test_cells_come_back() -> None:
    """Commas, quotes and line ends are quoted; what is no column is left out."""
    rows = [{'a': 'x, "y"', 'b': 'two\nlines', 'c': 1}, {'a': '', 'b': 'é'}]
    content = csv_bytes(('a', 'b'), rows)
    found = list(csv.DictReader(io.StringIO(content.decode(), newline='')))
    assert found == [{'a': 'x, "y"', 'b': 'two\nlines'}, {'a': '', 'b': 'é'}]


def test_names_keep_their_bytes() -> None:
    """A file name of an old disk, in Latin-1, is no reason to lose a table."""
    name = b'Mu\xf1oz.jpg'.decode('utf-8', 'surrogateescape')
    assert csv_bytes(('photo',), [{'photo': name}]) == b'photo\nMu\xf1oz.jpg\n'
