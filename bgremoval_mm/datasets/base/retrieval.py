"""RetrievalDataset: the base class of datasets in which photos of one item are searched for."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from bgremoval_mm.datasets.base.published import PublishedDataset

__all__ = ['ItemPhoto', 'RetrievalDataset', 'photos_of_subset']


class ItemPhoto(NamedTuple):
    """A photo of an item.

    Attributes:
        path: Below the dataset's folder, with ``/``.
        category: Name of its category.
        item: Id of the item that it shows.
        role: ``'train'``, ``'query'`` or ``'gallery'``.
        split: ``'val'`` or ``'test'``, whose query or gallery it is; '' for both.
    """

    path: str
    category: str
    item: str
    role: str
    split: str = ''


class RetrievalDataset(PublishedDataset):
    """Photos of items: queries, and a gallery in which the same item is to be found.

    The class of a photo (``gt_label``) is its category. Every sample also has ``item_id`` and
    ``role`` (``'train'``, ``'query'`` or ``'gallery'``), which
    ``PackInputs(algorithm_keys=('item_id', 'role'))`` passes on to heads and metrics. The
    categories are those of the whole dataset, sorted, so that they are the same in all subsets.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'``; ``'test'``, all queries and then the gallery; or ``'query'`` or
            ``'gallery'``, one of these two. See the dataset for others.
        complete: Make it an error if the copy has not as many photos and items as the published
            dataset. False: use a part of it.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Raises:
        FileNotFoundError: If files are missing.
        ArgumentError: If a list is not as it must be, or numbers differ from the published ones.
    """

    SUBSETS: ClassVar[tuple[str, ...]] = ('train', 'query', 'gallery', 'test')

    @abstractmethod
    def find_photos(self, root: Path) -> Sequence[ItemPhoto]:
        """Find all photos of the dataset, of all subsets, in its order.

        Args:
            root: Folder of the dataset.
        """

    def find_images(self) -> list[dict[str, Any]]:
        """Find the photos of the subset, check the whole dataset, and set the categories."""
        photos = self.find_photos(Path(self.data_root))
        self.check_size(self.count(photos))
        self._metainfo['classes'] = tuple(sorted({photo.category for photo in photos}))
        wanted = photos_of_subset(photos, self.subset)
        self.check_photos(photo.path for photo in wanted)
        items = {photo.item for photo in wanted}
        self.log(f'{len(items):,} items')
        return [
            {
                'img_path': photo.path,
                'gt_label': photo.category,
                'item_id': photo.item,
                'role': photo.role,
            }
            for photo in wanted
        ]

    def count(self, photos: Sequence[ItemPhoto]) -> dict[str, int]:
        """Count what :attr:`SIZE` counts: photos, items, and photos of each role.

        Args:
            photos: All photos of the dataset.
        """
        roles = Counter(photo.role for photo in photos)
        return {
            'photos': len({photo.path for photo in photos}),
            'items': len({photo.item for photo in photos}),
            **{role: roles[role] for role in ('train', 'query', 'gallery')},
        }


def photos_of_subset(photos: Sequence[ItemPhoto], subset: str) -> list[ItemPhoto]:
    """Return the photos of a subset, in their order; the queries before the gallery.

    Args:
        photos: All photos of a dataset.
        subset: ``'train'``; ``'val'`` or ``'test'``: the queries and the gallery of that split;
            ``'query'`` or ``'gallery'``: those of the test alone.
    """
    if subset == 'train':
        return [photo for photo in photos if photo.role == 'train']
    split = 'val' if subset == 'val' else 'test'
    roles = (subset,) if subset in ('query', 'gallery') else ('query', 'gallery')
    return [
        photo
        for role in roles
        for photo in photos
        if photo.role == role and photo.split in (split, '')
    ]
