"""GroceryStore: phone photos of 81 products in shops (MIT), split by class."""

from __future__ import annotations

import csv
from pathlib import Path

from bgremoval_mm.datasets.base.class_folders import readable_images
from bgremoval_mm.datasets.base.class_split import ClassSplitDataset, Photo
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['GroceryStore', 'subset_of']

#: Where the photos are below the folder: in a part with fewer photos, in the repository, and in the
#: folder `dataset` of the repository.
_TOPS = ('natural', 'dataset', '.')
_FOLDERS = ('train', 'val', 'test')


@DATASETS.register_module(force=True)
class GroceryStore(ClassSplitDataset):
    """Photos of fruit, vegetables and packages, as a customer holds them up in a shop.

    Klasson, Zhang and Kjellström, "A Hierarchical Grocery Store Image Dataset with Visual and
    Semantic Labels" (2019). The authors split photos; here, classes are split, for metric learning,
    by their number in ``classes.csv`` (0 to 80): odd numbers are for test (40 classes), multiples
    of 8 for validation (11), all others for training (30). So each subset has fruit, packages and
    vegetables, about in the shares of Cars196 in the work of Kobs and Hotho.

    Reads the repository ``marcusklasson/GroceryStoreDataset`` or a part of it: ``classes.csv``
    beside the folders ``train``, ``val`` and ``test``, or above ``natural/`` with these. The folder
    in which a photo is names its class. Every class must have a photo; other numbers are not
    checked. The iconic photos are left out.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Raises:
        FileNotFoundError: If ``classes.csv`` or the folders are missing.
        ArgumentError: If a photo is in a folder that is not a class, or a class has no photo.
        OSError: If a file or folder cannot be read.

    Examples:
        >>> dict(type='GroceryStore', data_root='data/grocery_store', subset='train', pipeline=[])
    """

    PAGE = 'https://github.com/marcusklasson/GroceryStoreDataset'

    def find_photos(self, root: Path) -> list[Photo]:
        """Find the photos of all classes, in the order of the classes' numbers."""
        tops = [root / top for top in _TOPS if (root / top / 'train').is_dir()]
        top = tops[0] if tops else self.check_file(root / 'train')
        table = root if top == root / 'natural' else top
        numbers = _read_classes(self.check_file(table / 'classes.csv'))
        found: dict[int, list[Photo]] = {number: [] for number in numbers.values()}
        stray = []
        for folder in _FOLDERS:
            for path in readable_images(self.check_file(top / folder)):
                below = (top / folder / path).relative_to(root).as_posix()
                name = Path(path).parent.name
                if name in numbers:
                    number = numbers[name]
                    found[number].append(Photo(below, number, name, subset_of(number)))
                else:
                    stray.append(below)
        empty = [name for name, number in numbers.items() if not found[number]]
        if stray or empty:
            what = f'photos of unknown classes: {first_few(stray)}'
            if not stray:
                what = f'no photo of {first_few(empty)}'
            msg = (
                f'{top} must have photos of the classes of {table / "classes.csv"}, but has {what}'
            )
            raise ArgumentError(msg)
        return [photo for _, photos in sorted(found.items()) for photo in photos]


def subset_of(number: int) -> str:
    """Return the subset of a class, by its number: ``'train'``, ``'val'`` or ``'test'``."""
    if number % 2:
        return 'test'
    return 'train' if number % 8 else 'val'


def _read_classes(path: Path) -> dict[str, int]:
    """Return the number of each class.

    Raises:
        ArgumentError: If the numbers are not 0, 1, 2 and so on.
    """
    with path.open(encoding='utf-8-sig', newline='') as file:
        rows = [row for row in list(csv.reader(file))[1:] if row]
    try:
        numbers = {row[0]: int(row[1]) for row in rows}
    except (IndexError, ValueError) as err:
        msg = f'{path} must have the name and the number of a class in its first columns: {err}'
        raise ArgumentError(msg) from None
    if sorted(numbers.values()) != list(range(len(rows))):
        msg = (
            f'{path} must number its classes from 0 without gaps, but has {list(numbers.values())}'
        )
        raise ArgumentError(msg)
    return numbers
