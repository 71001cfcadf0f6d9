"""Choosing photos of a catalogue by its columns, and columns from a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from bgremoval_mm.datasets.products.manifest import Columns, Manifest, Row, read_manifest
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['rows_with', 'with_predictions']


def rows_with(
    manifest: Manifest,
    where: Mapping[str, str | int | Sequence[str | int]],
    argument: str = 'where',
) -> list[Row]:
    """Return the rows with certain values, such as ``{'is_person': 0}``.

    Args:
        manifest: The catalogue.
        where: Column to the value, or the values, that are taken.
        argument: What the user knows it as, for errors.

    Raises:
        ArgumentError: If there is no such column, or a value is nowhere in it.
    """
    rows: list[Row] = list(manifest.rows)
    for name, given in where.items():
        if name not in manifest.header:
            msg = f'`{argument}` must name columns of {manifest.path}, but got {name!r}'
            raise ArgumentError(msg)
        values = [given] if isinstance(given, str | int) else list(given)
        wanted = {str(value) for value in values}
        known = {row[name] for row in manifest.rows}
        if not wanted <= known:
            msg = (
                f'`{argument}` must have values of the column {name} ({first_few(sorted(known))}), '
                f'but got {", ".join(sorted(wanted - known))}'
            )
            raise ArgumentError(msg)
        rows = [row for row in rows if row[name] in wanted]
    return rows


def with_predictions(manifest: Manifest, root: Path, predictions: Path, column: str) -> Manifest:
    """Return a manifest with one more column: what a model has predicted for each photo.

    Args:
        manifest: The catalogue.
        root: Folder that the paths of its photos are relative to.
        predictions: ``images.csv`` of ``ProductAccuracy``, with the columns ``img_path`` and
            ``predicted``.
        column: Name of the new column.

    Raises:
        FileNotFoundError: If there is no such file.
        ArgumentError: If there is such a column already, or photos have no prediction.
    """
    if column in manifest.header:
        msg = f'`column` must be a new one, but {manifest.path} has {column}'
        raise ArgumentError(msg)
    columns = Columns('img_path', 'predicted', 'predicted')
    found = {
        os.path.abspath(row['img_path']): row['predicted']  # noqa: PTH100 (links stay as they are)
        for row in read_manifest(predictions, columns).rows
    }
    names = [row[manifest.columns.image] for row in manifest.rows]
    values = [found.get(os.path.abspath(root / name)) for name in names]  # noqa: PTH100
    lost = [name for name, value in zip(names, values, strict=True) if value is None]
    if lost:
        msg = (
            f'every photo of {manifest.path} must be in {predictions}, but {len(lost):,} are not: '
            f'{first_few(lost)}. Test the model on all photos (`fold=None`), and name their folder'
        )
        raise ArgumentError(msg)
    rows = ({**row, column: str(value)} for row, value in zip(manifest.rows, values, strict=True))
    return Manifest(manifest.path, (*manifest.header, column), tuple(rows), manifest.columns)
