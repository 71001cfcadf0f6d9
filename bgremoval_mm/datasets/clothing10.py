"""Clothing10: photographs of garments in ten classes, CC0 (clothing-dataset-small)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from bgremoval_mm.datasets.base.classification import ClassificationDataset, first_few, what_is_at
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.io.scan import scan_tree

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
    """The ten most frequent classes of the Clothing data set: 3,781 photographs.

    Reads ``<data_root>/{train,validation,test}/<class>/<photo>`` (3,068, 341 and 372 photographs);
    ``python tools/prepare_dataset.py clothing10`` gets and checks it. Images are told by content,
    other files are passed over. Loading fails with a FileNotFoundError if the folders or the images
    of a class are missing, and with a ValueError if there is a folder, or an image in no folder,
    that belongs to no class.

    Args:
        data_root: Folder of the data set.
        subset: ``'train'``, ``'val'`` (the folder ``validation``) or ``'test'``.
        pipeline: Transforms or their configs. May be left out where a wrapper brings them.
        test_mode: Whether a sample that fails raises an error instead of being replaced by another
            one. None: in every subset but ``'train'``.
        **options: ``every``, and ``indices``, ``lazy_init``, ``metainfo``, ``serialize_data`` and
            ``max_refetch`` of :class:`mmengine.dataset.BaseDataset`.

    Examples:
        >>> dict(type='Clothing10', data_root='data/clothing10', subset='train', pipeline=[...])
    """

    METAINFO: ClassVar[dict] = {'classes': CLASSES}

    def find_images(self) -> list[tuple[str, str]]:
        """Relative path and class of each image, in the order of classes, then names."""
        root = Path(self.data_root)
        check_root(root)
        return find_images(root, FOLDERS[self.subset])


def how_to_get(root: Path) -> str:
    """The command that gets the data set."""
    return f'python tools/prepare_dataset.py clothing10 --dst {root}'


def check_root(root: Path) -> None:
    """Raise FileNotFoundError unless a folder has the data set's three folders."""
    if not all((root / folder).is_dir() for folder in FOLDERS.values()):
        folders = ', '.join(f'{folder}/' for folder in FOLDERS.values())
        msg = (
            f'`data_root` must be the folder of Clothing10, with {folders} in it, but '
            f'{what_is_at(root)}. To get it: `{how_to_get(root)}`'
        )
        raise FileNotFoundError(msg)


def find_images(root: Path, folder: str) -> list[tuple[str, str]]:
    """Find the images of one of the three folders.

    Args:
        root: Folder of the data set.
        folder: Name of the folder in it, e.g. ``'validation'``.

    Returns:
        One pair an image: path relative to `root`, and name of the class.

    Raises:
        FileNotFoundError: If a class has no image.
        ValueError: If there is a class that the data set has not, or an image outside the classes.
        OSError: If a file or folder cannot be read.
    """
    top = root / folder
    names = (entry.name for entry in top.iterdir() if entry.is_dir() and entry.name[0] != '.')
    unknown = sorted(set(names) - set(CLASSES))
    if unknown:
        msg = (
            f'{top} holds folders that are no class of Clothing10: {first_few(unknown)}. The '
            f'classes are {", ".join(CLASSES)}; move other folders out of the data set.'
        )
        raise ValueError(msg)
    scan = scan_tree(top)
    if scan.unreadable:
        reasons = [f'{path}: {reason}' for path, reason in scan.unreadable.items()]
        msg = f'{top} cannot be read: {first_few(reasons)}'
        raise OSError(msg)
    stray = [image for image in scan.images if '/' not in image]
    if stray:
        msg = (
            f'{top} holds images outside the folders of the classes: {first_few(stray)}. Move them '
            'into the folder of their class, or away.'
        )
        raise ValueError(msg)
    pairs = [(f'{folder}/{image}', image.partition('/')[0]) for image in scan.images]
    empty = sorted(set(CLASSES) - {label for _, label in pairs})
    if empty:
        msg = (
            f'{top} must hold images of every class of Clothing10, but there are none of '
            f'{", ".join(empty)}. The copy is not complete: delete it and get it again with '
            f'`{how_to_get(root)}`'
        )
        raise FileNotFoundError(msg)
    return pairs
