"""The manifest of a product catalogue: a CSV file with a row for each photo."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bgremoval_mm.datasets.products.table import Row, read_table
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = [
    'FORMATS',
    'Columns',
    'Manifest',
    'Row',
    'columns_of',
    'read_manifest',
]

#: ``csv`` is any table; ``styles`` is ``styles.csv`` of Kaggle's *Fashion Product Images*.
FORMATS = ('csv', 'styles')

_ID, _STYLES_IMAGE = 'id', 'image'


@dataclass(frozen=True)
class Columns:
    """Which column of a manifest has what.

    Attributes:
        image: Path of the photo, below the folder of the catalogue.
        product: Id of the product that the photo shows.
        label: The class: what a model is to predict.
    """

    image: str = 'image'
    product: str = 'product_id'
    label: str = 'category'


@dataclass(frozen=True)
class Manifest:
    """The rows of a catalogue, one a photo.

    Attributes:
        path: The file.
        header: Its columns, in their order.
        rows: Its rows, in their order.
        columns: Which column has what.
    """

    path: Path
    header: tuple[str, ...]
    rows: Sequence[Row] = field(repr=False)
    columns: Columns = Columns()

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that there are, sorted; an empty cell is no label."""
        return tuple(sorted({row[self.columns.label] for row in self.rows} - {''}))

    def labelled(self) -> list[Row]:
        """Return the rows that have a label."""
        return [row for row in self.rows if row[self.columns.label]]

    def products(self) -> dict[str, list[Row]]:
        """Return the rows of each product, in the order in which the products first appear."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row[self.columns.product], []).append(row)
        return found

    def with_rows(self, rows: Iterable[Row]) -> Manifest:
        """Return the manifest with other rows."""
        return Manifest(self.path, self.header, tuple(rows), self.columns)

    def label_of_products(self) -> dict[str, str]:
        """Return the label of each product that has one.

        Raises:
            ArgumentError: If a product has two.
        """
        labels: dict[str, str] = {}
        several: dict[str, set[str]] = {}
        for row in self.labelled():
            product, label = row[self.columns.product], row[self.columns.label]
            if labels.setdefault(product, label) != label:
                several.setdefault(product, {labels[product]}).add(label)
        if several:
            shown = [f'{name} ({", ".join(sorted(each))})' for name, each in several.items()]
            msg = (
                f'a product must have one {self.columns.label}, but {len(several):,} in {self.path}'
                f' have several: {first_few(shown)}'
            )
            raise ArgumentError(msg)
        return labels


def columns_of(
    form: str = 'csv',
    image: str | None = None,
    product: str | None = None,
    label: str | None = None,
) -> Columns:
    """Return names of columns, with the usual ones of a format for those that are None.

    Args:
        form: As of :func:`read_manifest`.
        image: As of :class:`Columns`, or None.
        product: The same.
        label: The same.
    """
    usual = Columns('image', 'id', 'articleType') if form == 'styles' else Columns()
    return Columns(image or usual.image, product or usual.product, label or usual.label)


def read_manifest(path: Path, columns: Columns | None = None, form: str = 'csv') -> Manifest:
    """Read the manifest of a catalogue.

    Cells are separated by commas, semicolons or tabs, whichever the first line has most of; spaces
    around a cell are taken off.

    Args:
        path: The file, UTF-8, with the names of the columns in its first line.
        columns: Which column has what. None: as of :func:`columns_of`.
        form: ``'csv'``, or ``'styles'``: Kaggle's *Fashion Product Images*, whose rows are products
            with one photo each, ``images/<id>.jpg``. There, commas in the last column, the name of
            the product, are not quoted. The photo gets a column ``image``.

    Raises:
        FileNotFoundError: If there is no such file.
        ArgumentError: If it is not such a table: a column is missing, a row has too many or too few
            cells, a quotation mark has no partner, a photo or a product has no name, or a photo has
            two rows. Names file and lines.
    """
    if form not in FORMATS:
        msg = f'`form` must be one of {", ".join(map(repr, FORMATS))}, but got {form!r}'
        raise ArgumentError(msg)
    if not path.is_file():
        msg = f'the manifest {path} must be a CSV file, but there is none'
        raise FileNotFoundError(msg)
    is_styles = form == 'styles'
    columns = columns_of(form) if columns is None else columns
    needed = [_ID] if is_styles else [columns.image, columns.product]
    table = read_table(path, [*needed, columns.label], unquoted_end=is_styles)
    header = table.header
    if is_styles:
        for row in table.rows:
            row[_STYLES_IMAGE] = f'images/{row[_ID]}.jpg'
        header = (*(name for name in header if name != _STYLES_IMAGE), _STYLES_IMAGE)
    _check_rows(path, table.rows, table.numbers, columns)
    return Manifest(path, header, tuple(table.rows), columns)


def _check_rows(path: Path, rows: Sequence[Row], numbers: Sequence[int], columns: Columns) -> None:
    if not rows:
        msg = f'{path} must have a row for each photo, but has none'
        raise ArgumentError(msg)
    for column in (columns.image, columns.product):
        empty = [
            f'line {number}' for row, number in zip(rows, numbers, strict=True) if not row[column]
        ]
        if empty:
            msg = f'{len(empty):,} rows of {path} have no {column}: {first_few(empty)}'
            raise ArgumentError(msg)
    seen: dict[str, int] = {}
    twice = []
    for row, number in zip(rows, numbers, strict=True):
        # ./a.jpg is a.jpg: a photo of two products would be in training and in the test.
        before = seen.setdefault(os.path.normpath(row[columns.image]), number)
        if before != number:
            twice.append(f'{row[columns.image]} in lines {before} and {number}')
    if twice:
        msg = f'each photo must have one row of {path}, but {len(twice):,} do not: '
        raise ArgumentError(msg + first_few(twice))
