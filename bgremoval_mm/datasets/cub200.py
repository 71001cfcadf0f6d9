"""CUB200: photos of 200 species of birds (Caltech-UCSD Birds-200-2011), split by class."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from bgremoval_mm.datasets.base.class_split import (
    ClassSplitDataset,
    Photo,
    class_number,
    read_rows,
)
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['CUB200']


@DATASETS.register_module(force=True)
class CUB200(ClassSplitDataset):
    """11,788 photos of birds: 75 classes for training, 25 for validation, 100 for test.

    Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset" (2011). The split is that of Kobs and
    Hotho: classes 0 to 74, 75 to 99 and 100 to 199; the authors' split by photo is not used.

    Reads ``images.txt``, ``image_class_labels.txt`` and ``classes.txt`` of ``<data_root>``, and the
    photos below ``images/``.

    Args:
        data_root: Folder of the dataset, ``CUB_200_2011``.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        complete: Make any other number of photos or classes an error.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Examples:
        >>> dict(type='CUB200', data_root='data/CUB_200_2011', subset='train', pipeline=[...])
    """

    SIZE: ClassVar[dict[str, int]] = {'photos': 11_788, 'classes': 200}
    PAGE = 'https://www.vision.caltech.edu/datasets/cub_200_2011'

    def find_photos(self, root: Path) -> list[Photo]:
        """Find all photos, in the order of ``images.txt``."""
        files = ('images.txt', 'image_class_labels.txt', 'classes.txt')
        paths, labels, names = (read_rows(self.check_file(root / file), 2) for file in files)
        label_of = {image: class_number(root / files[1], label) for image, label in labels}
        name_of = {class_number(root / files[2], label): name for label, name in names}
        photos = []
        for image, path in paths:
            number = label_of.get(image, -1)
            if number not in name_of:
                msg = f'{" and ".join(files[1:])} of {root} do not give the class of {path}'
                raise ArgumentError(msg)
            subset = 'train' if number < 75 else 'val' if number < 100 else 'test'
            photos.append(Photo(f'images/{path}', number, name_of[number], subset))
        return photos
