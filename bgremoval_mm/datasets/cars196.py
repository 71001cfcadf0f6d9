"""Cars196: photos of 196 models of cars (Stanford Cars), split by class."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

from bgremoval_mm.datasets.base.class_split import ClassSplitDataset, Photo
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['Cars196']


@DATASETS.register_module(force=True)
class Cars196(ClassSplitDataset):
    """16,185 photos of cars: 74 classes for training, 24 for validation, 98 for test.

    Krause et al., "3D Object Representations for Fine-Grained Categorization" (2013). The split is
    that of Kobs and Hotho: classes 0 to 73, 74 to 97 and 98 to 195, in the order of the dataset.
    The authors' split by photo is not used.

    Reads ``<data_root>/cars_annos.mat`` and the photos that it names, ``car_ims/000001.jpg`` and so
    on. Needs scipy.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        complete: Make any other number of photos or classes an error.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Examples:
        >>> dict(type='Cars196', data_root='data/cars196', subset='train', pipeline=[...])
    """

    SIZE: ClassVar[dict[str, int]] = {'photos': 16_185, 'classes': 196}
    PAGE = 'https://ai.stanford.edu/~jkrause/cars/car_dataset.html (car_ims.tgz, cars_annos.mat)'

    def find_photos(self, root: Path) -> list[Photo]:
        """Find all photos, in the order of the annotation file."""
        from scipy.io import loadmat

        path = self.check_file(root / 'cars_annos.mat')
        try:
            content = loadmat(io.BytesIO(path.read_bytes()), squeeze_me=True)
            names = [str(name) for name in content['class_names'].tolist()]
            rows = content['annotations'][['relative_im_path', 'class']].tolist()
        except Exception as err:
            # scipy raises what comes up while it decodes.
            msg = f'{path}, the annotations, cannot be read: {type(err).__name__}: {err}'
            raise ArgumentError(msg) from err
        photos = []
        for photo, label in rows:
            number = int(label) - 1  # counted from 1 there
            if not 0 <= number < len(names):
                msg = f'{path} must have classes from 1 to {len(names)}, but has {label} ({photo})'
                raise ArgumentError(msg)
            subset = 'train' if number < 74 else 'val' if number < 98 else 'test'
            photos.append(Photo(str(photo), number, names[number], subset))
        return photos
