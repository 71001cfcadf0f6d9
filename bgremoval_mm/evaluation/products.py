"""Classes of products, from the probabilities of their photos; and which classes are confused.

Pure functions of arrays. Confusion matrices have true classes in rows, predictions in columns.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = [
    'RULES',
    'confusion_matrix',
    'errors_by_parent',
    'merge_classes',
    'parents_of',
    'predict_products',
    'read_parents',
]

RULES = ('sum', 'max', 'vote')
"""How the class of a product follows from its photos; see :func:`predict_products`."""


def predict_products(scores: np.ndarray, products: np.ndarray, rule: str = 'sum') -> np.ndarray:
    """Return the class of each product, from the probabilities of its photos.

    - ``'sum'``: the class with the largest sum of probabilities over the product's photos.
    - ``'max'``: the class with the largest single probability.
    - ``'vote'``: the class that most photos have as their most likely one. Of classes with as many
      votes, the one with the larger sum of probabilities.

    Schindler et al. (arXiv 1811.04374) speak of the "cumulative maximum" of a product's photos and
    give no formula; it is read as the first one here. Equal values go to the first class.

    Args:
        scores: Probabilities, float of shape (N, C).
        products: Index of each photo's product, integers of shape (N,) in [0, P), each there.
        rule: One of :data:`RULES`.

    Returns:
        int64 of shape (P,).

    Raises:
        ArgumentError: If the rule is unknown.
    """
    if rule not in RULES:
        msg = f'`rule` must be one of {", ".join(map(repr, RULES))}, but got {rule!r}'
        raise ArgumentError(msg)
    order = np.argsort(products, kind='stable')
    starts = np.flatnonzero(np.diff(products[order], prepend=-1))
    ordered = scores[order].astype(np.float64)
    if rule == 'max':
        return np.asarray(np.maximum.reduceat(ordered, starts).argmax(axis=1), np.int64)
    sums = np.add.reduceat(ordered, starts)
    if rule == 'vote':
        count = scores.shape[1]
        cells = products * count + scores.argmax(axis=1)
        votes = np.bincount(cells, minlength=len(sums) * count).reshape(-1, count)
        sums = np.where(votes == votes.max(axis=1, keepdims=True), sums, -np.inf)
    return np.asarray(sums.argmax(axis=1), np.int64)


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, count: int) -> np.ndarray:
    """Count how often each class is predicted as each.

    Args:
        labels: True classes, integers of shape (N,) in [0, count).
        predictions: Predicted classes, of the same kind.
        count: Number of classes.

    Returns:
        int64 of shape (count, count).
    """
    cells = labels.astype(np.int64) * count + predictions
    return np.bincount(cells, minlength=count**2).reshape(count, count)


def merge_classes(matrix: np.ndarray, parents: np.ndarray, count: int) -> np.ndarray:
    """Return the confusion matrix of the parents of classes.

    Args:
        matrix: Confusion matrix of shape (C, C).
        parents: Index of the parent of each class, integers of shape (C,) in [0, count).
        count: Number of parents.

    Returns:
        Of the same kind, shape (count, count).
    """
    member = (parents[:, None] == np.arange(count)).astype(matrix.dtype)
    merged: np.ndarray = member.T @ matrix @ member
    return merged


def errors_by_parent(matrix: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Count what is right, and which errors stay within the family of a class.

    Args:
        matrix: Confusion matrix of shape (C, C).
        parents: Index of the parent of each class, integers of shape (C,).

    Returns:
        int64 of shape (C, 3): of each class, what is right, errors to another class of the same
        parent, and errors to classes of other parents.
    """
    right = np.diag(matrix)
    family = np.where(parents[:, None] == parents, matrix, 0).sum(axis=1)
    return np.stack([right, family - right, matrix.sum(axis=1) - family], axis=1)


def parents_of(classes: Sequence[str], table: Mapping[str, str]) -> tuple[list[str], np.ndarray]:
    """Return the parents, in the order of their first class, and the parent of each class.

    Args:
        classes: Names of the classes.
        table: Child to parent. It may have other children, too.

    Returns:
        Names of the parents; and their indices by class, int64 of shape (C,).

    Raises:
        ArgumentError: If a class has no parent; names it.
    """
    orphans = [name for name in classes if name not in table]
    if orphans:
        msg = (
            f'every class must have a parent, but {len(orphans):,} of {len(classes):,} have none: '
            f'{first_few(orphans)}'
        )
        raise ArgumentError(msg)
    names = list(dict.fromkeys(table[name] for name in classes))
    return names, np.array([names.index(table[name]) for name in classes], np.int64)


def read_parents(path: Path) -> dict[str, str]:
    """Read a table of classes and their parents: CSV with the columns ``child`` and ``parent``.

    Raises:
        FileNotFoundError: If there is no such file.
        ArgumentError: If it has other columns, or a child with two parents.
    """
    with path.open(encoding='utf-8-sig', newline='') as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if not {'child', 'parent'} <= set(reader.fieldnames or ()):
        msg = (
            f'{path} must have the columns child and parent, but has '
            f'{", ".join(reader.fieldnames or ()) or "none"}'
        )
        raise ArgumentError(msg)
    table: dict[str, str] = {}
    for row in rows:
        if table.setdefault(row['child'], row['parent']) != row['parent']:
            msg = f'{path} must give each child one parent, but {row["child"]} has two'
            raise ArgumentError(msg)
    return table
