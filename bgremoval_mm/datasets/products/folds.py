"""Folds of cross-validation by product, and the file that keeps them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bgremoval_mm.datasets.products.manifest import Manifest
from bgremoval_mm.datasets.products.table import read_table
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.utils.messages import first_few
from bgremoval_mm.utils.sampling import hash_order
from bgremoval_mm.utils.tables import csv_bytes

__all__ = [
    'FOLD',
    'VALIDATION',
    'Folds',
    'MissingPackageError',
    'absent_classes',
    'folds_of_column',
    'make_folds',
    'read_folds',
]

#: Columns of a file of folds, beside that of the product.
FOLD, VALIDATION = 'fold', 'val'
_EXTRA = 'pip install "bgremoval_mm[catalogue]"'


class MissingPackageError(BgremovalError, ImportError):
    """Folds need scikit-learn, which is not installed."""


@dataclass(frozen=True)
class Folds:
    """The fold of each product.

    Attributes:
        fold_of: Number of the fold of each product, from 0.
        validation: Products that are for validation in each fold but their own.
        source: The file, or the column, that says so.
    """

    fold_of: Mapping[str, int] = field(repr=False)
    validation: frozenset[str] = field(repr=False)
    source: str

    @property
    def count(self) -> int:
        """Number of folds."""
        return max(self.fold_of.values()) + 1

    @property
    def digest(self) -> str:
        """Fingerprint of the folds: sha256 over product, fold and validation, sorted by product."""
        lines = (
            f'{product}\t{fold}\t{int(product in self.validation)}\n'
            for product, fold in sorted(self.fold_of.items())
        )
        return hashlib.sha256(''.join(lines).encode()).hexdigest()

    def subset_of(self, product: str, fold: int) -> str:
        """Return the subset of a product in one of the folds.

        That fold is ``'test'``; of the others, products for validation are ``'val'``, the rest is
        ``'train'``.
        """
        if self.fold_of[product] == fold:
            return 'test'
        return 'val' if product in self.validation else 'train'

    def content(self, product: str) -> bytes:
        """Return the CSV file of the folds, sorted by product.

        Args:
            product: Name of the column of the product.
        """
        rows = (
            {product: name, FOLD: fold, VALIDATION: int(name in self.validation)}
            for name, fold in sorted(self.fold_of.items())
        )
        return csv_bytes((product, FOLD, VALIDATION), rows)


def make_folds(manifest: Manifest, count: int = 3, val_share: float = 0.0, seed: int = 0) -> Folds:
    """Divide the products of a catalogue into folds of about the same classes.

    By scikit-learn's ``StratifiedGroupKFold``: all photos of a product are in one fold, and the
    photos of a class are spread evenly. The order of the rows does not matter; the version of
    scikit-learn may, so write the folds down.

    Args:
        manifest: The catalogue. Photos without a label are left out.
        count: Number of folds, from 2.
        val_share: Share of the products of each class and fold that are for validation where the
            fold is part of the training. At least one product, if the class has two in the fold.
        seed: Another number gives other folds.

    Raises:
        ArgumentError: If an argument is out of its range, a product has two labels, a class has
            fewer products than there are folds, or is missing in a fold.
        MissingPackageError: If scikit-learn is not installed.
    """
    if count < 2:
        msg = f'`count` must be at least 2, but got {count}'
        raise ArgumentError(msg)
    if not 0 <= val_share < 1:
        msg = f'`val_share` must be at least 0 and below 1, but got {val_share}'
        raise ArgumentError(msg)
    labels = manifest.label_of_products()
    products = Counter(labels.values())
    few = [f'{name} ({number})' for name, number in sorted(products.items()) if number < count]
    if few:
        msg = (
            f'each class must have a product for each of {count} folds, but {len(few):,} of '
            f'{manifest.path} have fewer: {first_few(few)}. Leave these classes out, or join them '
            'with others'
        )
        raise ArgumentError(msg)
    photos = sorted(row[manifest.columns.product] for row in manifest.labelled())
    fold_of = _stratified(photos, [labels[name] for name in photos], count, seed)
    validation = _validation(labels, fold_of, val_share, seed)
    folds = Folds(fold_of, validation, f'{count} folds of {manifest.path}, seed {seed}')
    absent = absent_classes(folds, labels)
    if absent:
        msg = (
            f'no folds of {manifest.path} were found in which every class is: {first_few(absent)}. '
            'Take another `seed`, or fewer folds'
        )
        raise ArgumentError(msg)
    return folds


def absent_classes(folds: Folds, labels: Mapping[str, str]) -> list[str]:
    """Say which classes have no product in a fold, or all of them in it.

    Args:
        folds: The folds.
        labels: Label of each product.

    Returns:
        A phrase for each, such as ``'belts in fold 2'``.
    """
    inside = Counter((labels[name], fold) for name, fold in folds.fold_of.items() if name in labels)
    totals = Counter(labels[name] for name in folds.fold_of if name in labels)
    found = []
    for label in sorted(totals):
        for fold in range(folds.count):
            if inside[label, fold] == 0:
                found.append(f'{label} is not in fold {fold}')
            elif inside[label, fold] == totals[label]:
                found.append(f'{label} is in fold {fold} only')
    return found


def read_folds(path: Path, product: str, column: str = FOLD) -> Folds:
    """Read a file of folds.

    Args:
        path: CSV with a row for each product, as of `read_table`.
        product: Name of the column of the product.
        column: Name of the column of the fold. A column ``val``, of 0 and 1, may be there.

    Raises:
        FileNotFoundError: If there is no such file.
        ArgumentError: If it is not such a file; names the lines.
    """
    if not path.is_file():
        msg = (
            f'the file of folds {path} must be there, but is not. To make it: '
            f'`bgremoval catalogue folds MANIFEST {path}`'
        )
        raise FileNotFoundError(msg)
    rows = read_table(path, [product, column]).rows
    pairs = [(row[product], row[column]) for row in rows]
    twice = [name for name, number in Counter(name for name, _ in pairs).items() if number > 1]
    if twice:
        msg = f'each product must be in {path} once, but {first_few(twice)} is there again'
        raise ArgumentError(msg)
    marks = sorted({row.get(VALIDATION, '') for row in rows} - {'', '0', '1'})
    if marks:
        msg = f'{VALIDATION} of {path} must be 0 or 1, but is {first_few(marks)}'
        raise ArgumentError(msg)
    validation = frozenset(row[product] for row in rows if row.get(VALIDATION) == '1')
    return Folds(_numbers(pairs, str(path), column), validation, str(path))


def folds_of_column(manifest: Manifest, column: str = FOLD) -> Folds:
    """Return the folds that a manifest itself has in a column.

    A product whose cells are all empty has no fold.

    Args:
        manifest: The whole catalogue: of a part, some folds might be empty.
        column: Name of the column.

    Raises:
        ArgumentError: If there is no such column, a cell is not a number from 0, or a product is in
            two folds.
    """
    if column not in manifest.header:
        msg = (
            f'{manifest.path} must have the column {column}, or `fold_file` must name a file of '
            f'folds; it has {first_few(manifest.header)}'
        )
        raise ArgumentError(msg)
    key = manifest.columns.product
    pairs = list(dict.fromkeys((row[key], row[column]) for row in manifest.rows))
    cut = [name for name, number in Counter(name for name, _ in pairs).items() if number > 1]
    if cut:
        msg = (
            f'all photos of a product must be in one fold, but {len(cut):,} products of '
            f'{manifest.path} are in several: {first_few(cut)}'
        )
        raise ArgumentError(msg)
    marked = {row[key] for row in manifest.rows if row.get(VALIDATION) == '1'}
    source = f'{manifest.path}, column {column}'
    given = [(name, text) for name, text in pairs if text]
    return Folds(_numbers(given, source, column), frozenset(marked), source)


def _numbers(pairs: Iterable[tuple[str, str]], source: str, column: str) -> dict[str, int]:
    """Return the folds as numbers, which must be 0, 1 and so on without a gap."""
    pairs = list(pairs)
    wrong = [f'{name}: {text!r}' for name, text in pairs if not text.isdecimal()]
    if wrong:
        msg = f'{column} of {source} must be a whole number from 0, but is not: {first_few(wrong)}'
        raise ArgumentError(msg)
    fold_of = {name: int(text) for name, text in pairs}
    there = sorted(set(fold_of.values()))
    if there != list(range(len(there))) or len(there) < 2:
        msg = (
            f'the folds of {source} must be numbered from 0 without a gap, and be two or more, but '
            f'are {first_few([str(each) for each in there]) or "none"}'
        )
        raise ArgumentError(msg)
    return fold_of


def _stratified(photos: list[str], labels: list[str], count: int, seed: int) -> dict[str, int]:
    try:
        from sklearn.model_selection import StratifiedGroupKFold
    except ImportError as err:
        msg = f'folds need scikit-learn: {_EXTRA}'
        raise MissingPackageError(msg) from err
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    fold_of: dict[str, int] = {}
    for fold, (_, inside) in enumerate(splitter.split(photos, labels, photos)):
        fold_of |= {photos[index]: fold for index in inside}
    return fold_of


def _validation(
    labels: Mapping[str, str], fold_of: Mapping[str, int], share: float, seed: int
) -> frozenset[str]:
    """Draw the products for validation, by a hash of their ids, of each class and fold."""
    chosen: set[str] = set()
    if not share:
        return frozenset()
    cells: dict[tuple[str, int], list[str]] = {}
    for name, fold in fold_of.items():
        cells.setdefault((labels[name], fold), []).append(name)
    for names in cells.values():
        names.sort(key=lambda name: hash_order(name, seed))
        number = max(round(share * len(names)), 1 if len(names) > 1 else 0)
        chosen.update(names[: min(number, len(names) - 1)])
    return frozenset(chosen)
