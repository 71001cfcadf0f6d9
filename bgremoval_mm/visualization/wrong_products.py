"""The contact sheet of products that a model gets wrong in every photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.datasets.products.manifest import Columns, Row, read_manifest
from bgremoval_mm.removal import ImageError
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

__all__ = ['WrongProduct', 'draw_wrong_products', 'read_wrong_products']

_SIDE = 400  # pixels of a photo; it is about half as large on the sheet
_PHOTOS = 3  # of a product
_COLUMNS = ('label', 'predicted', 'probability')


@dataclass(frozen=True)
class WrongProduct:
    """A product none of whose photos is right in any of the tests.

    Attributes:
        name: Its id.
        label: The true class.
        predicted: Class to the number of predictions, the most frequent first.
        probability: Mean probability of the wrong classes.
        photos: Its photos, in the order of the table.
    """

    name: str
    label: str
    predicted: dict[str, int]
    probability: float
    photos: tuple[Path, ...]


def read_wrong_products(
    files: Sequence[Path], product_key: str = 'product_id'
) -> tuple[list[WrongProduct], int]:
    """Find the products that are wrong in every photo.

    Args:
        files: ``images.csv`` of ``ProductAccuracy``, of one test or of several, such as the folds
            and the seeds of a cross-validation. A product must be wrong in each test that has it.
        product_key: Name of the column of the product.

    Returns:
        The products, those with most photos and the surest of the wrong class first, and the number
        of all products.

    Raises:
        FileNotFoundError: If there is no such file.
        ArgumentError: If one is not such a table, or gives a product another label.
    """
    columns = Columns('img_path', product_key, 'predicted')
    by_product: dict[str, list[Row]] = {}
    for file in files:
        table = read_manifest(file, columns)
        missing = [name for name in _COLUMNS if name not in table.header]
        if missing:
            msg = (
                f'{file} must be images.csv of ProductAccuracy, but has no column '
                f'{", ".join(missing)}'
            )
            raise ArgumentError(msg)
        for row in table.rows:
            by_product.setdefault(row[product_key], []).append(row)
            first = by_product[row[product_key]][0]
            if row['label'] != first['label']:
                msg = (
                    f'{file} must give each product one label, but {row[product_key]} has '
                    f'{row["label"]} and {first["label"]}'
                )
                raise ArgumentError(msg)
        try:
            _probabilities(table.rows)
        except ValueError as err:
            msg = f'{file} must have numbers in the column probability, but: {err}'
            raise ArgumentError(msg) from None
    wrong = [
        _wrong_product(name, rows)
        for name, rows in by_product.items()
        if all(row['predicted'] != row['label'] for row in rows)
    ]
    wrong.sort(key=lambda each: (-len(each.photos), -each.probability, each.name))
    return wrong, len(by_product)


def _wrong_product(name: str, rows: Sequence[Row]) -> WrongProduct:
    counts = Counter(row['predicted'] for row in rows)
    return WrongProduct(
        name,
        rows[0]['label'],
        dict(counts.most_common()),
        float(np.mean(_probabilities(rows))),
        tuple(Path(photo) for photo in dict.fromkeys(row['img_path'] for row in rows)),
    )


def _probabilities(rows: Sequence[Row]) -> list[float]:
    return [float(row['probability']) for row in rows]


def draw_wrong_products(
    products: Sequence[WrongProduct], total: int, number: int = 40
) -> Image.Image:
    """Draw a tile a product: its first photos, its class, and what they were taken for.

    Args:
        products: As of :func:`read_wrong_products`; at least one.
        total: Number of all products, for the heading.
        number: How many are shown.

    Returns:
        RGB picture.
    """
    shown = products[:number]
    width = min(_PHOTOS, max(len(each.photos) for each in shown))
    names = [f'photo {i + 1}' for i in range(width)]
    heading = (
        'Products that are wrong in every photo',
        f'{len(products):,} of {total:,} products'
        + (f', the first {number:,}' if len(products) > number else ''),
    )
    columns = 2 if width > 1 else 4
    return draw_tiles([_tile(each, width) for each in shown], names, heading, columns)


def _tile(product: WrongProduct, width: int) -> Tile:
    pictures = [_picture(photo) for photo in product.photos[:width]]
    taken = ', '.join(f'{name} ({count})' for name, count in product.predicted.items())
    count = len(product.photos)
    caption = (
        f'{product.name}: {count} photo{"" if count == 1 else "s"}',
        f'true: {product.label}',
        f'predicted: {taken}, p = {product.probability:.2f}',
    )
    return Tile([*pictures, *([''] * (width - len(pictures)))], caption)


def _picture(path: Path) -> np.ndarray | str:
    try:
        return thumbnail(path, _SIDE)
    except (ImageError, OSError):
        return 'cannot be read'
