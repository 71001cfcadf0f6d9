"""GroceryStoreItems: photos of products in shops, as queries and a gallery."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bgremoval_mm.datasets.base.retrieval import ItemPhoto, RetrievalDataset
from bgremoval_mm.datasets.grocery_store import GroceryStore
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['GroceryStoreItems']


@DATASETS.register_module(force=True)
class GroceryStoreItems(RetrievalDataset):
    """The photos of :class:`~bgremoval_mm.datasets.grocery_store.GroceryStore`, to search in.

    The items are the 81 products, divided as there: those of training, validation and test are
    different ones. Of a product of validation or test, the photos that the authors have in their
    test set are queries, and the others are the gallery. The categories are the authors' coarse
    classes, such as ``'Apple'``.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'``; ``'val'`` or ``'test'``, its queries and then its gallery; ``'query'``
            or ``'gallery'``, those of the test.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Raises:
        FileNotFoundError: If ``classes.csv`` or the folders are missing.
        ArgumentError: If a photo is in a folder that is not a class, or a class has no photo.

    Examples:
        >>> dict(type='GroceryStoreItems', data_root='data/grocery_store', subset='test',
        ...      pipeline=[...])
    """

    SUBSETS: ClassVar[tuple[str, ...]] = ('train', 'val', 'query', 'gallery', 'test')
    PAGE: ClassVar[str] = GroceryStore.PAGE

    def find_photos(self, root: Path) -> Sequence[ItemPhoto]:
        """Find the photos of all products, in the order of the products' numbers."""
        photos = GroceryStore(root, lazy_init=True).find_photos(root)
        tables = [root / top / 'classes.csv' for top in ('.', 'dataset')]
        coarse = _coarse_classes(next(path for path in tables if path.is_file()))
        found = []
        for photo in photos:
            role = 'train'
            if photo.subset != 'train':
                folders = photo.path.split('/')
                folder = next(each for each in folders if each in ('train', 'val', 'test'))
                role = 'query' if folder == 'test' else 'gallery'
            split = '' if role == 'train' else photo.subset
            found.append(ItemPhoto(photo.path, coarse[photo.name], photo.name, role, split))
        return found


def _coarse_classes(path: Path) -> dict[str, str]:
    """Return the coarse class of each class.

    Raises:
        ArgumentError: If the table has none.
    """
    with path.open(encoding='utf-8-sig', newline='') as file:
        rows = [row for row in list(csv.reader(file))[1:] if row]
    short = [row[0] for row in rows if len(row) < 3]
    if short:
        msg = f'{path} must have the coarse class in its third column, but {short[0]} has none'
        raise ArgumentError(msg)
    return {row[0]: row[2] for row in rows}
