"""Clothing10: photographs of garments in ten classes, CC0 (clothing-dataset-small)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from bgremoval_mm.datasets.base.class_folders import IncompleteError, images_by_class
from bgremoval_mm.datasets.base.classification import ClassificationDataset
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.scan import is_litter
from bgremoval_mm.utils.messages import first_few, what_is_at

CLASSES = (
    'dress',
    'hat',
    'longsleeve',
    'outwear',
    'pants',
    'shirt',
    'shoes',
    'shorts',
    'skirt',
    't-shirt',
)
#: Which folder holds which subset.
FOLDERS = {'train': 'train', 'val': 'validation', 'test': 'test'}


@DATASETS.register_module(force=True)
class Clothing10(ClassificationDataset):
    """The ten most frequent classes of the Clothing dataset: 3,781 photographs.

    Reads ``<data_root>/{train,validation,test}/<class>/<photo>`` (3,068, 341 and 372 photographs);
    ``python tools/prepare_dataset.py clothing10`` gets and checks it. Images are detected by
    content; other files are ignored. Loading fails with a FileNotFoundError if the folders or the
    images of a class are missing, and with a ValueError if there is a folder, or an image in no
    folder, that belongs to no class.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'``, ``'val'`` (the folder ``validation``) or ``'test'``.
        pipeline: Transforms or their configs. May be left out where a wrapper brings them.
        test_mode: Whether a sample that fails raises an error instead of being replaced by another
            one. None: in every subset but ``'train'``.
        **options: ``every``, and ``indices``, ``lazy_init``, ``metainfo``, ``serialize_data`` and
            ``max_refetch`` of :class:`mmengine.dataset.BaseDataset`.

    Examples:
        >>> dict(type='Clothing10', data_root='data/clothing10', subset='train', pipeline=[...])
    """

    METAINFO: ClassVar[dict[str, Any]] = {'classes': CLASSES}

    def find_images(self) -> list[dict[str, str]]:
        """Find each image and its class, in the order of the paths."""
        root = Path(self.data_root)
        check_root(root)
        return find_images(root, FOLDERS[self.subset])


def how_to_get(root: Path) -> str:
    """Return the command that gets the dataset."""
    return f'python tools/prepare_dataset.py clothing10 --dst {root}'


def check_root(root: Path) -> None:
    """Raise FileNotFoundError unless a folder has the dataset's three folders."""
    if not all((root / folder).is_dir() for folder in FOLDERS.values()):
        folders = ', '.join(f'{folder}/' for folder in FOLDERS.values())
        msg = (
            f'`data_root` must be the folder of Clothing10, with {folders} in it, but '
            f'{what_is_at(root)}. To get it: `{how_to_get(root)}`'
        )
        raise FileNotFoundError(msg)


def find_images(root: Path, folder: str) -> list[dict[str, str]]:
    """Find the images of one of the three folders.

    Args:
        root: Folder of the dataset.
        folder: Name of the folder in it, e.g. ``'validation'``.

    Returns:
        A dict per image: ``img_path``, relative to `root`, and ``gt_label``, name of the class.

    Raises:
        ArgumentError: If there is an unknown class, or an image outside the classes.
        FileNotFoundError: If a class has no image.
        OSError: If a file or folder cannot be read.
    """
    top = root / folder
    names = (entry.name for entry in top.iterdir() if entry.is_dir() and not is_litter(entry.name))
    unknown = sorted(set(names) - set(CLASSES))
    if unknown:
        msg = (
            f'{top} holds folders that are not classes of Clothing10: {first_few(unknown)}. The '
            f'classes are {", ".join(CLASSES)}; move other folders out of the dataset.'
        )
        raise ArgumentError(msg)
    try:
        labels = images_by_class(top, CLASSES)
    except IncompleteError as err:
        msg = (
            f'{err}. The copy is not complete: delete it and get it again with `{how_to_get(root)}`'
        )
        raise IncompleteError(msg) from None
    return [{'img_path': f'{folder}/{path}', 'gt_label': label} for path, label in labels.items()]
