"""Folds of products: grouped, stratified, the same again, and read back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bgremoval_mm.datasets.products.folds import (
    Folds,
    absent_classes,
    folds_of_column,
    make_folds,
    read_folds,
)
from bgremoval_mm.datasets.products.manifest import read_manifest
from bgremoval_mm.removal.errors import ArgumentError


@pytest.fixture
def folds(catalogue: Path) -> Folds:
    """Two folds of the catalogue, with a product of each class and fold for validation."""
    return make_folds(read_manifest(catalogue), 2, 0.3)


def test_grouped_and_stratified(catalogue: Path, folds: Folds) -> None:
    """Each product is in one fold, and each fold has half of the products of each class."""
    labels = read_manifest(catalogue).label_of_products()
    assert set(folds.fold_of) == set(labels)
    counts = Counter((labels[name], fold) for name, fold in folds.fold_of.items())
    assert set(counts.values()) == {2}
    validation = Counter((labels[name], folds.fold_of[name]) for name in folds.validation)
    assert set(validation.values()) == {1}
    assert len(validation) == 6
    for fold in range(2):
        subsets = Counter(folds.subset_of(name, fold) for name in labels)
        assert subsets == {'test': 6, 'val': 3, 'train': 3}


def test_deterministic(catalogue: Path, folds: Folds) -> None:
    """The order of the rows does not matter, the seed does."""
    manifest = read_manifest(catalogue)
    again = make_folds(manifest.with_rows(manifest.rows[::-1]), 2, 0.3)
    assert again.digest == folds.digest
    assert len({make_folds(manifest, 2, 0.3, seed).digest for seed in range(5)}) > 1


def test_file_is_read_back(folds: Folds, tmp_path: Path) -> None:
    """A file has all that the folds are."""
    path = tmp_path / 'folds.csv'
    path.write_bytes(folds.content('product_id'))
    assert path.read_text().startswith('product_id,fold,val\np0,')
    found = read_folds(path, 'product_id')
    assert (found.fold_of, found.validation) == (folds.fold_of, folds.validation)
    assert (found.digest, found.count, found.source) == (folds.digest, 2, str(path))


def test_column_of_the_manifest(tmp_path: Path) -> None:
    """Folds may be written by hand into the manifest; a product that is cut in two is named."""
    path = tmp_path / 'a.csv'
    path.write_text(
        'image,product_id,category,part,val\na,1,x,0,0\nb,1,x,0,0\nc,2,x,1,0\nd,3,x,1,1\n'
    )
    folds = folds_of_column(read_manifest(path), 'part')
    assert folds.fold_of == {'1': 0, '2': 1, '3': 1}
    assert folds.validation == {'3'}
    with pytest.raises(ArgumentError, match=r'must have the column fold, .*; it has image, prod'):
        folds_of_column(read_manifest(path))
    path.write_text('image,product_id,category,fold\na,1,x,0\nb,1,x,1\nc,2,x,1\n')
    with pytest.raises(ArgumentError, match=r'1 products of .* are in several: 1'):
        folds_of_column(read_manifest(path))


def test_products_without_a_fold_in_the_manifest(tmp_path: Path) -> None:
    """Empty cells are no fold; a product that has one in some rows only is in several."""
    path = tmp_path / 'a.csv'
    path.write_text('image,product_id,category,fold\na,1,x,0\nb,2,x,1\nc,3,x,\n')
    assert folds_of_column(read_manifest(path)).fold_of == {'1': 0, '2': 1}
    path.write_text('image,product_id,category,fold\na,1,x,0\nb,2,x,1\nc,2,x,\n')
    with pytest.raises(ArgumentError, match=r'1 products of .* are in several: 2'):
        folds_of_column(read_manifest(path))


BAD = {
    'product_id,part\n1,0\n': 'columns product_id, fold, but has no fold; it has product_id, part',
    'product_id,fold\n1,0\n1,1\n': '1 is there again',
    'product_id,fold\n1,0\n2,-1\n': "must be a whole number from 0, but is not: 2: '-1'",
    'product_id,fold\n1,0\n2,2\n': 'from 0 without a gap, and be two or more, but are 0, 2',
    'product_id,fold\n1,0\n': 'two or more, but are 0',
    'product_id,fold\n': 'but are none',
    'product_id,fold,val\n1,0\n2,1,0\n': '3 cells, but 1 have not: line 2 has 2',
    'product_id,fold,val\n1,0,True\n2,1,False\n': 'val of .* must be 0 or 1, but is False, True',
}


@pytest.mark.parametrize('text', BAD)
def test_files_that_are_refused(tmp_path: Path, text: str) -> None:
    """The message names the file and what is wrong."""
    path = tmp_path / 'folds.csv'
    path.write_text(text)
    with pytest.raises(ArgumentError, match=BAD[text]) as caught:
        read_folds(path, 'product_id')
    assert str(path) in str(caught.value)


def test_file_of_a_spreadsheet(tmp_path: Path) -> None:
    """Delimiters, a byte order mark and spaces are those that a catalogue may have."""
    path = tmp_path / 'folds.csv'
    path.write_text('\ufeffproduct_id; fold; val\r\n1; 0; 1\r\n\r\n2; 1;\r\n', encoding='utf-8')
    folds = read_folds(path, 'product_id')
    assert (folds.fold_of, folds.validation) == ({'1': 0, '2': 1}, {'1'})


def test_missing_file(tmp_path: Path) -> None:
    """The message has the command that makes it."""
    with pytest.raises(FileNotFoundError, match=r'`bgremoval catalogue folds MANIFEST .*a\.csv`'):
        read_folds(tmp_path / 'a.csv', 'product_id')


def test_class_with_too_few_products(write_manifest: Callable[..., Path]) -> None:
    """It cannot be in every fold, and is named with its number."""
    rows = [(str(n), str(n), 'x' if n else 'rare', '', '') for n in range(7)]
    with pytest.raises(ArgumentError, match=r'each of 3 folds, but 1 of .* have fewer: rare \(1\)'):
        make_folds(read_manifest(write_manifest(rows)))


def test_absent_classes_are_named() -> None:
    """Which class is missing in which fold, or is in no other."""
    folds = Folds({'1': 0, '2': 1, '3': 1, '4': 1}, frozenset(), 'here')
    labels = {'1': 'x', '2': 'x', '3': 'y', '4': 'y'}
    assert absent_classes(folds, labels) == ['y is not in fold 0', 'y is in fold 1 only']


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [((1,), '`count` must be at least 2, but got 1'), ((2, 1.0), '`val_share` must be at least 0')],
)
def test_errors(catalogue: Path, arguments: tuple[float, ...], expected: str) -> None:
    """Arguments out of range."""
    with pytest.raises(ArgumentError, match=expected):
        make_folds(read_manifest(catalogue), *arguments)  # type: ignore[arg-type]
