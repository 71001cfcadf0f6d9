"""Tables of what a model predicts for a catalogue: by class, by product, by photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bgremoval_mm.evaluation.functional import classwise_accuracy

__all__ = ['CORNER', 'as_text', 'class_rows', 'matrix_rows', 'prediction_rows']

CORNER = 'true \\ predicted'
"""Name of the first column of a confusion matrix, whose other columns are predictions."""

Row = dict[str, Any]


def class_rows(
    classes: Sequence[str],
    images: tuple[np.ndarray, np.ndarray],
    products: tuple[np.ndarray, np.ndarray],
) -> list[Row]:
    """Return a row for each class: numbers and accuracies, in percent, of photos and of products.

    Args:
        classes: Names of the classes.
        images: True and predicted classes of photos, integers of shape (N,).
        products: The same of products.
    """
    rows: list[Row] = [{'class': name} for name in classes]
    for kind, (labels, predictions) in (('image', images), ('product', products)):
        counts = np.bincount(labels, minlength=len(classes))
        shares = classwise_accuracy(labels, predictions, len(classes))
        for row, count, share in zip(rows, counts, shares, strict=True):
            row[f'{kind}s'] = int(count)
            row[f'{kind}_accuracy'] = f'{share:.4f}' if count else ''
    return rows


def prediction_rows(
    classes: Sequence[str], columns: Mapping[str, Sequence[Any]], labels: Mapping[str, np.ndarray]
) -> list[Row]:
    """Return a row for each product or photo.

    Args:
        classes: Names of the classes.
        columns: Cells of the first columns, by column.
        labels: Indices of classes, whose names are the cells of the other columns.
    """
    named = {name: [classes[index] for index in each] for name, each in labels.items()}
    every = {**columns, **named}
    return [dict(zip(every, cells, strict=True)) for cells in zip(*every.values(), strict=True)]


def matrix_rows(classes: Sequence[str], matrix: np.ndarray) -> list[Row]:
    """Return a row for each true class of a confusion matrix."""
    return [
        {CORNER: name, **dict(zip(classes, map(int, counts), strict=True))}
        for name, counts in zip(classes, matrix, strict=True)
    ]


def as_text(rows: Sequence[Row], rule: str) -> str:
    """Return the rows of the classes as a table for the log.

    Args:
        rows: As of :func:`class_rows`.
        rule: How the class of a product follows from its photos.
    """
    width = max(len(str(row['class'])) for row in rows)
    lines = [f'{"class":<{width}}  images  accuracy  products  accuracy ({rule}, percent)']
    for row in rows:
        shown = [row[key] or '-' for key in ('image_accuracy', 'product_accuracy')]
        lines.append(
            f'{row["class"]:<{width}}  {row["images"]:>6}  {shown[0]:>8}  {row["products"]:>8}  '
            f'{shown[1]:>8}'
        )
    return 'Accuracy by class:\n' + '\n'.join(lines)
