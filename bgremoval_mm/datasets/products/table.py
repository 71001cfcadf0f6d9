"""Tables that people and spreadsheets write: CSV with named columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['Row', 'Table', 'read_table']

Row = Mapping[str, str]
"""The cells of a row, by column."""

_DELIMITERS = (',', ';', '\t')


@dataclass(frozen=True)
class Table:
    """The content of a CSV file.

    Attributes:
        header: Its columns, in their order.
        rows: Its rows, in their order, without empty lines.
        numbers: The line in which each of them ends.
    """

    header: tuple[str, ...]
    rows: list[dict[str, str]] = field(repr=False)
    numbers: list[int] = field(repr=False)


def read_table(path: Path, needed: Sequence[str], unquoted_end: bool = False) -> Table:
    """Read a CSV file.

    Cells are separated by commas, semicolons or tabs, whichever the first line has most of; spaces
    around a cell are taken off. Columns without a name, as spreadsheets append, are left out.

    Args:
        path: The file, UTF-8, with the names of the columns in its first line.
        needed: Columns that it must have.
        unquoted_end: Whether cells are separated by commas, and those in the last column are not
            quoted. Each line is a row then.

    Raises:
        ArgumentError: If it is not such a table: a column is missing or there twice, a row has too
            many or too few cells, a quotation mark has no end. Names file and lines.
        OSError: If it cannot be read.
    """
    text = _decoded(path)
    first = text.partition('\n')[0]
    delimiter = ',' if unquoted_end else max(_DELIMITERS, key=first.count)
    lines = _lines(path, text, delimiter, strict=not unquoted_end)
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    _check_header(path, header, needed)
    table = Table(tuple(filter(None, header)), [], [])
    wrong: list[str] = []
    for number, cells in lines[1:]:
        if not any(cells):
            continue
        if unquoted_end and len(cells) > len(header):
            cells = [*cells[: len(header) - 1], ','.join(cells[len(header) - 1 :])]
        if len(cells) != len(header):
            wrong.append(f'line {number} has {len(cells)}')
            continue
        named = [pair for pair in zip(header, cells, strict=True) if pair[0]]
        table.rows.append({name: cell.strip() for name, cell in named})
        table.numbers.append(number)
    if wrong:
        msg = (
            f'each row of {path} must have {len(header)} cells, but {len(wrong):,} have not: '
            f'{first_few(wrong)}. Is a cell with a comma not in quotation marks?'
        )
        raise ArgumentError(msg)
    return table


def _lines(path: Path, text: str, delimiter: str, strict: bool) -> list[tuple[int, list[str]]]:
    """Return the cells of each line, and the number of the line in which it ends."""
    stream = io.StringIO(text, newline='')
    found: list[tuple[int, list[str]]] = []
    try:
        if strict:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            found.extend((reader.line_num, cells) for cells in reader)
        else:
            # Together, the lines behind a quotation mark without a partner would be one cell.
            for number, line in enumerate(stream, 1):
                found += [(number, cells) for cells in csv.reader([line], delimiter=delimiter)]
    except csv.Error as err:
        msg = (
            f'{path}, line {found[-1][0] + 1 if found else 1}: not a row of a CSV file ({err}). '
            'Has a quotation mark no partner?'
        )
        raise ArgumentError(msg) from err
    return found


def _decoded(path: Path) -> str:
    try:
        return path.read_bytes().decode('utf-8-sig')
    except UnicodeDecodeError as err:
        msg = f'{path} must be UTF-8, but is not ({err}): save it as "CSV UTF-8"'
        raise ArgumentError(msg) from err


def _check_header(path: Path, header: Sequence[str], needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in header]
    if missing:
        msg = (
            f'{path} must have the columns {", ".join(needed)}, but has no '
            f'{", ".join(missing)}; it has {first_few(header) or "none"}'
        )
        raise ArgumentError(msg)
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        msg = f'each column of {path} must have its own name, but {first_few(twice)} is there twice'
        raise ArgumentError(msg)
