"""Confusion matrices as pictures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable
from bgremoval_mm.visualization.canvas import INK, new_figure, render, shorten

__all__ = ['draw_confusion', 'read_confusion']

_NAME = 24  # characters of a class that are shown
_NUMBERS = 30  # classes up to which cells have their counts


def read_confusion(path: Path) -> tuple[list[str], np.ndarray]:
    """Read a confusion matrix that ``ProductAccuracy`` has written.

    Args:
        path: CSV with a row for each true class; the first column has its name, the others are
            predictions in the same order.

    Returns:
        Names of the classes, and int64 of shape (C, C).

    Raises:
        FileNotFoundError: If there is no such file.
        ArgumentError: If it is no such table.
    """
    with path.open(encoding='utf-8', newline='') as file:
        header, *rows = list(csv.reader(file)) or [[]]
    names = header[1:]
    try:
        matrix = np.array([[int(cell) for cell in row[1:]] for row in rows], np.int64)
    except ValueError:
        matrix = np.zeros(0, np.int64)
    if not names or [row[0] for row in rows] != names or matrix.shape != (len(names),) * 2:
        msg = (
            f'{path} must be a confusion matrix: the same classes in the first row and the first '
            f'column, and whole numbers; but it has {len(rows)} rows and {len(names)} columns'
        )
        raise ArgumentError(msg)
    return names, matrix


def draw_confusion(names: Sequence[str], matrix: np.ndarray, title: str) -> Image.Image:
    """Draw a confusion matrix: shares of each true class in colour, counts as numbers.

    Args:
        names: Of the classes.
        matrix: Counts of shape (C, C), true classes in rows.
        title: Heading.
    """
    count = len(names)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    side = max(4.0, 0.32 * count + 2.6)
    figure = new_figure(side + 0.8, side)
    figure.set_layout_engine('constrained')
    axes = figure.subplots()
    drawn = axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    figure.colorbar(drawn, ax=axes, fraction=0.04, label='share of the true class')
    shown = [shorten(printable(name), _NAME) for name in names]
    axes.set_xticks(range(count), shown, rotation=90, fontsize=7)
    axes.set_yticks(range(count), shown, fontsize=7)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    axes.set_title(printable(title), fontsize=9, color=INK)
    if count <= _NUMBERS:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = 'white' if shares[row, column] > 0.5 else INK
            number = f'{matrix[row, column]}'
            axes.text(column, row, number, ha='center', va='center', fontsize=6, color=colour)
    return render(figure)
