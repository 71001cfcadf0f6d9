"""A smaller catalogue of the same shape, as in the work of Schindler et al. (2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bgremoval_mm.datasets.products.manifest import Manifest, Row
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.sampling import hash_order

__all__ = ['Sample', 'sample_products']


@dataclass(frozen=True)
class Sample:
    """A sample of a catalogue, and what it left out.

    Attributes:
        manifest: The rows of the sample, in the order of the catalogue.
        dropped: Photos of each class that has too few of them.
        few: Photos in the sample of each class that has fewer than wanted.
        small_products: Number of products that have too few photos.
        unlabelled: Number of photos without a label.
    """

    manifest: Manifest
    dropped: dict[str, int]
    few: dict[str, int]
    small_products: int
    unlabelled: int


def sample_products(
    manifest: Manifest,
    share: float = 0.1,
    min_photos: int = 100,
    min_per_product: int = 2,
    seed: int = 0,
) -> Sample:
    """Draw a share of the products of each class, and all their photos.

    Classes with fewer than `min_photos` photos are dropped. Of every other class, products are
    drawn until both the share of its products and `min_photos` photos are reached; so a product is
    never cut in two, and small classes keep a larger share (Schindler et al., arXiv 1811.04374: 43
    classes become 30, and 234,884 photos 23,305). Which products are drawn depends on the seed and
    their ids alone, not on the order of the rows.

    Args:
        manifest: The catalogue.
        share: Share of the products, above 0 and at most 1.
        min_photos: Photos that a class must have before and, if it has enough, after sampling.
        min_per_product: Photos that a product must have to be drawn. The work takes no product with
            a single one.
        seed: Another number gives another sample.

    Raises:
        ArgumentError: If an argument is out of its range, a product has two labels, or no class
            or product has enough photos.
    """
    if not 0 < share <= 1:
        msg = f'`share` must be above 0 and at most 1, but got {share}'
        raise ArgumentError(msg)
    for name, value in (('min_photos', min_photos), ('min_per_product', min_per_product)):
        if value < 1:
            msg = f'`{name}` must be at least 1, but got {value}'
            raise ArgumentError(msg)
    manifest.label_of_products()  # each has one
    labelled = manifest.with_rows(manifest.labelled())
    by_class: dict[str, dict[str, list[Row]]] = {}
    for product, rows in labelled.products().items():
        by_class.setdefault(rows[0][manifest.columns.label], {})[product] = rows
    photos = {label: sum(map(len, products.values())) for label, products in by_class.items()}
    dropped = {label: count for label, count in sorted(photos.items()) if count < min_photos}
    if len(dropped) == len(photos):
        msg = (
            f'`min_photos` must leave a class, but none of the {len(photos)} classes of '
            f'{manifest.path} has {min_photos:,} photos'
        )
        raise ArgumentError(msg)
    drawn: set[str] = set()
    few: dict[str, int] = {}
    small = 0
    for label in sorted(set(photos) - set(dropped)):
        products = by_class[label]
        large = {name: rows for name, rows in products.items() if len(rows) >= min_per_product}
        small += len(products) - len(large)
        count = 0
        # At least one, and halves up: the share of 15 products is 2.
        wanted = max(1, math.floor(share * len(large) + 0.5))
        for number, name in enumerate(sorted(large, key=lambda each: hash_order(each, seed))):
            if number >= wanted and count >= min_photos:
                break
            drawn.add(name)
            count += len(large[name])
        if count < min_photos:
            few[label] = count
    if not drawn:
        msg = (
            f'`min_per_product` must leave a product, but none of {manifest.path} has '
            f'{min_per_product:,} photos'
        )
        raise ArgumentError(msg)
    rows = [row for row in labelled.rows if row[manifest.columns.product] in drawn]
    unlabelled = len(manifest.rows) - len(labelled.rows)
    return Sample(manifest.with_rows(rows), dropped, few, small, unlabelled)
