"""Sampling of products: the numbers of the work on a catalogue of its shape."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.datasets.products.manifest import Manifest, Row, read_manifest
from bgremoval_mm.datasets.products.sampling import sample_products
from bgremoval_mm.removal.errors import ArgumentError


def made(classes: dict[str, list[int]]) -> Manifest:
    """A manifest of products with so many photos each."""
    rows: list[Row] = [
        {'image': f'{label}/{number}_{view}', 'product_id': f'{label}-{number}', 'category': label}
        for label, sizes in classes.items()
        for number, size in enumerate(sizes)
        for view in range(size)
    ]
    return Manifest(Path('made.csv'), ('image', 'product_id', 'category'), rows)


def spread(photos: int, products: int, rng: np.random.Generator) -> list[int]:
    """Sizes of products with so many photos in all, two or more each where that can be."""
    least = min(2, photos // products)
    extra = rng.multinomial(photos - least * products, np.full(products, 1 / products))
    return [int(least + each) for each in extra]


@pytest.fixture(scope='module')
def published() -> Manifest:
    """A catalogue of the published shape.

    43 classes, 234,884 photos, 39,474 products; SPORTS SHOES with 66,439 photos of 10,807 products,
    JUMPSUITS with 6 of one; 13 classes with fewer than 100 photos.
    """
    rng = np.random.default_rng(0)
    sizes = {'SPORTS SHOES': (66_439, 10_807), 'JUMPSUITS': (6, 1)}
    sizes |= {f'SMALL {number}': (8 * number, number) for number in range(1, 13)}
    sizes['STRAIGHT LEG TROUSERS'] = (190, 35)
    weights = np.linspace(1, 10, 27)
    totals = (234_884, 39_474)
    left = [totals[axis] - sum(each[axis] for each in sizes.values()) for axis in (0, 1)]
    sizes['CLASS 0'] = (100, 17)
    for number, weight in enumerate(weights[:-1] / weights.sum(), 1):
        sizes[f'CLASS {number}'] = (int(weight * left[0]), int(weight * left[1]))
    rest = [totals[axis] - sum(each[axis] for each in sizes.values()) for axis in (0, 1)]
    sizes['LAST'] = (rest[0], rest[1])
    return made({label: spread(*each, rng) for label, each in sizes.items()})


def test_published_shape(published: Manifest) -> None:
    """30 classes stay, about 10 % of the photos, 100 or more a class, no product is cut in two."""
    assert (len(published.classes), len(published.rows)) == (43, 234_884)
    assert len(published.products()) == 39_474
    sample = sample_products(published)
    assert len(sample.dropped) == 13
    assert sample.dropped['JUMPSUITS'] == 6
    drawn = sample.manifest
    assert len(drawn.classes) == 30
    assert len(drawn.rows) == pytest.approx(23_305, rel=0.02)
    photos = Counter(row['category'] for row in drawn.rows)
    assert min(photos.values()) >= 100
    assert photos['STRAIGHT LEG TROUSERS'] == pytest.approx(103, abs=8)
    assert photos['CLASS 0'] == 100
    products = drawn.products()
    whole = published.products()
    assert all(len(rows) == len(whole[name]) for name, rows in products.items())
    of_class = Counter(rows[0]['category'] for rows in products.values())
    assert of_class['SPORTS SHOES'] == 1081
    assert (sample.few, sample.small_products, sample.unlabelled) == ({}, 0, 0)


def test_published_sports_shoes(published: Manifest) -> None:
    """The published 922 products are 8.5 % of all, and have 5,659 photos, as in the catalogue."""
    drawn = sample_products(published, share=922 / 10_807).manifest
    shoes = [row for row in drawn.rows if row['category'] == 'SPORTS SHOES']
    assert len({row['product_id'] for row in shoes}) == 922
    assert len(shoes) == pytest.approx(5659, rel=0.02)


def test_by_hand() -> None:
    """Of 15 products of 2 photos, 10 % are 2 (halves up); with `min_photos` 7 they become 4."""
    manifest = made({'a': [2] * 15, 'b': [1] * 9 + [3], 'c': [5]})
    sample = sample_products(manifest, min_photos=4)
    assert Counter(row['category'] for row in sample.manifest.rows) == {'a': 4, 'b': 3, 'c': 5}
    assert (sample.few, sample.small_products) == ({'b': 3}, 9)
    sample = sample_products(manifest, min_photos=7)
    assert sample.dropped == {'c': 5}
    assert Counter(row['category'] for row in sample.manifest.rows) == {'a': 8, 'b': 3}
    everything = sample_products(manifest, 1.0, 1, 1)
    assert everything.manifest.rows == tuple(manifest.rows)


def test_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    """The same products, whatever the order; others with another seed."""
    manifest = made({'a': [2] * 40})

    def products(rows: list[Row], seed: int) -> set[str]:
        drawn = sample_products(manifest.with_rows(rows), 0.2, 1, seed=seed).manifest
        return {row['product_id'] for row in drawn.rows}

    rows = list(manifest.rows)
    assert products(rows, 0) == products(rows[::-1], 0) != products(rows, 1)


def test_errors(catalogue: Path) -> None:
    """Arguments out of range, and a catalogue without a large class."""
    manifest = read_manifest(catalogue)
    with pytest.raises(ArgumentError, match='`share` must be above 0 and at most 1, but got 10'):
        sample_products(manifest, 10)
    with pytest.raises(ArgumentError, match='`min_photos` must be at least 1, but got 0'):
        sample_products(manifest, min_photos=0)
    with pytest.raises(ArgumentError, match=r'none of the 3 classes of .* has 100 photos'):
        sample_products(manifest)
    with pytest.raises(ArgumentError, match=r'`min_per_product` .* none of .* has 3 photos'):
        sample_products(manifest, min_photos=1, min_per_product=3)
