"""The check of a catalogue: each fault is found and named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bgremoval_mm.datasets.products.checks import check_catalogue
from bgremoval_mm.datasets.products.folds import Folds, make_folds
from bgremoval_mm.datasets.products.manifest import Columns, read_manifest


def test_good_catalogue(catalogue: Path) -> None:
    """Counts of photos and products, and nothing else."""
    manifest = read_manifest(catalogue)
    report = check_catalogue(manifest, catalogue.parent, make_folds(manifest, 2), progress=False)
    assert report.lines() == []
    assert report.tables['catalogue'] == {
        'photos': {'belts': 8, 'shoes': 8, 'shirts': 8},
        'products': {'belts': 4, 'shoes': 4, 'shirts': 4},
    }
    assert report.tables['photos by fold']['fold 1'] == {'belts': 4, 'shirts': 4, 'shoes': 4}


def test_missing_and_broken_photos(catalogue: Path) -> None:
    """Both are counted and named; without reading, only missing ones are found."""
    photos = catalogue.parent / 'photos'
    (photos / '3_0.png').unlink()
    (photos / '4_1.png').write_bytes(b'no picture')
    report = check_catalogue(read_manifest(catalogue), catalogue.parent, progress=False)
    missing, broken = report.errors
    assert missing == 'missing photos: 1\n    photos/3_0.png'
    assert broken.startswith('broken photos: 1\n    photos/4_1.png: ')
    assert not report.usable
    quick = check_catalogue(read_manifest(catalogue), catalogue.parent, read=False)
    assert quick.errors == [missing]


def test_labels(write_manifest: Callable[..., Path], catalogue: Path) -> None:
    """A product with two labels is an error; a class of one product and no label are warnings."""
    text = catalogue.read_text() + 'photos/0_0.jpg,p0,shirts,men,0\nphotos/x.jpg,px,hats,men,0\n'
    catalogue.write_text(text + 'photos/y.jpg,py,,men,0\n')
    report = check_catalogue(read_manifest(catalogue), catalogue.parent, read=False)
    assert report.errors[1] == 'products with more than one category: 1\n    p0: belts, shirts'
    assert report.warnings == [
        'classes of one product, which cannot be trained on and tested on: 1\n    hats: px',
        'photos without a category, which are left out: 1\n    photos/y.jpg',
    ]
    assert report.tables['catalogue']['photos']['(none)'] == 1


def test_same_photo_of_two_products(catalogue: Path) -> None:
    """By content; more so, if they are in two folds."""
    photos = catalogue.parent / 'photos'
    shutil.copy(photos / '0_0.png', photos / '3_0.png')
    shutil.copy(photos / '1_0.png', photos / '1_1.png')
    manifest = read_manifest(catalogue)
    fold_of = {name: int(name == 'p3') for name in manifest.products()}
    folds = Folds(fold_of, frozenset(), 'folds.csv')
    report = check_catalogue(manifest, catalogue.parent, folds, progress=False)
    both = '\n    photos/0_0.png (p0) = photos/3_0.png (p3)'
    assert report.warnings[:2] == [
        f'photos with the same content under two products: 1{both}',
        'of these, photos that are in two folds, so that a test knows photos of the training: '
        f'1{both}',
    ]
    assert report.notes == ['photos that are twice under the same product: 1']


def test_folds(catalogue: Path) -> None:
    """Products without a fold, folds without a class, and products of another catalogue."""
    manifest = read_manifest(catalogue)
    fold_of = {name: int(name in ('p2', 'p1')) for name in manifest.products() if name != 'p5'}
    folds = Folds({**fold_of, 'other': 1}, frozenset(), 'folds.csv')
    report = check_catalogue(manifest, catalogue.parent, folds, read=False)
    assert report.errors == ['products that folds.csv has no fold for: 1\n    p5']
    assert report.warnings == [
        'products of folds.csv that are not in the catalogue: 1\n    other',
        'classes that are not in every fold: 2\n    belts is in fold 0 only\n'
        '    belts is not in fold 1',
    ]


@pytest.mark.real
def test_luma(repository: Path) -> None:
    """The real catalogue has 717 photos of 185 products, all whole."""
    root = repository / 'data' / 'luma_catalogue'
    if not root.is_dir():
        pytest.skip('needs data/luma_catalogue: python tools/prepare_dataset.py luma')
    manifest = read_manifest(root / 'products.csv', Columns('file', 'item_id'))
    report = check_catalogue(manifest, root, make_folds(manifest), progress=False)
    assert report.usable
    assert sum(report.tables['catalogue']['photos'].values()) == 717
    assert sum(report.tables['catalogue']['products'].values()) == 185


def test_one_class(write_manifest: Callable[..., Path]) -> None:
    """Every model is right then: a warning says that the column tells nothing apart."""
    path = write_manifest(
        [('a', '1', 'x', '', ''), ('b', '2', 'x', '', ''), ('c', '3', '', '', '')]
    )
    report = check_catalogue(read_manifest(path), path.parent, read=False, progress=False)
    assert 'all labels of category are x: there is nothing to tell apart' in report.warnings
