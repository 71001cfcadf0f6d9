"""ClassSplitDataset: the base class of datasets whose subsets have no class in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bgremoval_mm.datasets.base.published import PublishedDataset
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['ClassSplitDataset', 'Photo', 'class_number', 'read_rows']


class Photo(NamedTuple):
    """A photo of a dataset.

    Attributes:
        path: Below the dataset's folder, with ``/``.
        number: Number of its class, in the dataset's own order, from 0.
        name: Name of its class.
        subset: Subset of its class: ``'train'``, ``'val'`` or ``'test'``.
    """

    path: str
    number: int
    name: str
    subset: str


class ClassSplitDataset(PublishedDataset):
    """Photos whose classes are divided into those of training, validation and test.

    For metric learning: a model is measured on classes that it has never seen. Within a subset, the
    classes are numbered from 0 without gaps, in the dataset's order; so ``metainfo['classes']`` is
    different in each subset. A subclass gives :meth:`find_photos`, and what a whole copy has.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        complete: Make it an error if the copy has not as many photos and classes as the published
            dataset. False: use a part of it.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Raises:
        FileNotFoundError: If files are missing.
        ArgumentError: If the number of photos or classes is wrong, or a class is in two subsets.
    """

    @abstractmethod
    def find_photos(self, root: Path) -> Sequence[Photo]:
        """Find all photos of the dataset, of all subsets, in its order.

        Args:
            root: Folder of the dataset.
        """

    def find_images(self) -> list[dict[str, Any]]:
        """Find the images of the subset, check the whole dataset, and set the classes."""
        photos = self.find_photos(Path(self.data_root))
        _check_split(type(self).__name__, photos)
        classes = {photo.number: photo.name for photo in photos}
        self.check_size({'photos': len(photos), 'classes': len(classes)})
        wanted = [photo for photo in photos if photo.subset == self.subset]
        self.check_photos(photo.path for photo in wanted)
        numbers = sorted({photo.number for photo in wanted})
        self._metainfo['classes'] = tuple(classes[number] for number in numbers)
        return [{'img_path': photo.path, 'gt_label': photo.name} for photo in wanted]

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return ``img_path`` and ``gt_label`` (int) of each photo of the subset."""
        images = self.chosen_images()
        labels = self.class_to_idx
        self.log(f'{len(images):,} photos of {len(labels):,} classes')
        return [
            {
                'img_path': os.path.join(self.data_root, each['img_path']),  # noqa: PTH118
                'gt_label': labels[each['gt_label']],
            }
            for each in images
        ]


def _check_split(dataset: str, photos: Sequence[Photo]) -> None:
    """Raise ArgumentError if a class is in two subsets, or two classes have one name."""
    subsets: dict[str, tuple[str, int]] = {}
    for photo in photos:
        before = subsets.setdefault(photo.name, (photo.subset, photo.number))
        if before[0] != photo.subset:
            msg = (
                f'the class {photo.name} of {dataset} is in {before[0]} and in {photo.subset}, but '
                f'a class must be in one subset only ({photo.path})'
            )
            raise ArgumentError(msg)
        if before[1] != photo.number:
            msg = f'two classes of {dataset} are called {photo.name}: {before[1]}, {photo.number}'
            raise ArgumentError(msg)


def read_rows(path: Path, columns: int, header: bool = False) -> list[list[str]]:
    """Read a text file of columns with a space between them.

    Args:
        path: The file.
        columns: Columns of each line; the last one may have spaces.
        header: Whether the first line names the columns.

    Raises:
        ArgumentError: If a line has fewer columns, or the file is not UTF-8.
    """
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()[1 if header else 0 :]
    except UnicodeDecodeError as err:
        msg = f'{path} must be a text file of the dataset, but is not UTF-8: {err}'
        raise ArgumentError(msg) from None
    rows = [line.split(maxsplit=columns - 1) for line in lines if line.strip()]
    for number, row in enumerate(rows, 2 if header else 1):
        if len(row) != columns:
            msg = f'{path} must have {columns} columns, but row {number} is {" ".join(row)!r}'
            raise ArgumentError(msg)
    return rows


def class_number(path: Path, text: str) -> int:
    """Return the number of a class, from 0, for one that a list counts from 1.

    Args:
        path: The list, for the error.
        text: What it says.

    Raises:
        ArgumentError: If it is no such number.
    """
    if not text.isdecimal() or int(text) < 1:
        msg = f'{path} must number the classes from 1, but has {text!r}'
        raise ArgumentError(msg)
    return int(text) - 1
