"""DeepFashionCategory: photos of garments in 46 categories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from bgremoval_mm.datasets.base.published import PublishedDataset
from bgremoval_mm.datasets.deepfashion.agreement import UnderAgreement
from bgremoval_mm.datasets.formats.deepfashion import (
    image_folder,
    read_counted_list,
    refuse_repeated,
)
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['MERGED', 'PARTITION', 'DeepFashionCategory']

#: Categories that are taken for another one, which leaves 46 of the 50.
MERGED: Mapping[str, str] = dict.fromkeys(('Cape', 'Nightdress', 'Shirtdress', 'Sundress'), 'Dress')
PARTITION = 'Eval/list_eval_partition.txt'
#: Where the lists of the categories are: in recent copies of the dataset, and in older ones.
_ANNOTATIONS = ('Anno_coarse', 'Anno')


@DATASETS.register_module(force=True)
class DeepFashionCategory(UnderAgreement, PublishedDataset):
    """289,222 photos of garments, of DeepFashion's *Category and Attribute Prediction Benchmark*.

    Liu et al., "DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich
    Annotations" (CVPR 2016). Reads ``list_category_cloth.txt`` and ``list_category_img.txt`` of
    ``<data_root>/Anno_coarse`` (or ``Anno``), ``<data_root>/Eval/list_eval_partition.txt``, and the
    photos below ``<data_root>/Img/img`` (or ``img``). The lists count categories from 1.

    Of the 50 categories, Cape, Nightdress, Shirtdress and Sundress belong to Dress, so that there
    are 46, in the order of ``list_category_cloth.txt``. Attributes are not read.

    The dataset is given to those who sign an agreement:
    ``python tools/prepare_dataset.py deepfashion-category data/deepfashion_category`` says how to
    get it, and checks a copy.

    Args:
        data_root: Folder of the benchmark.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        complete: Make any other number of photos or categories an error.
        merge: Whether the four categories belong to Dress. False: all 50.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Raises:
        FileNotFoundError: If lists or photos are missing.
        ArgumentError: If a list is not as it must be, or numbers differ from the published ones.

    Examples:
        >>> dict(type='DeepFashionCategory', data_root='data/deepfashion_category',
        ...      subset='train', pipeline=[...])
    """

    #: Of categories, those in the lists.
    SIZE: ClassVar[dict[str, int]] = {'photos': 289_222, 'categories': 50}
    TITLE: ClassVar[str] = 'Category and Attribute Prediction Benchmark'
    NAME: ClassVar[str] = 'deepfashion-category'

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        complete: bool = True,
        merge: bool = True,
        **options: Any,
    ) -> None:
        self.merge = merge
        super().__init__(data_root, subset, complete, **options)

    def find_images(self) -> list[dict[str, str]]:
        """Find the photos of the subset, check the whole dataset, and set the categories."""
        names, photos = self.find_photos(Path(self.data_root))
        self.check_size({'photos': len(photos), 'categories': len(names)})
        self._metainfo['classes'] = tuple(dict.fromkeys(map(self._merged, names)))
        wanted = {path: label for path, (label, part) in photos.items() if part == self.subset}
        self.check_photos(wanted)
        return [
            {'img_path': path, 'gt_label': self._merged(label)} for path, label in wanted.items()
        ]

    def find_photos(self, root: Path) -> tuple[list[str], dict[str, tuple[str, str]]]:
        """Read the lists.

        Args:
            root: Folder of the benchmark.

        Returns:
            The names of the categories, and of each photo, by its path below `root`, the name of
            its category and its subset.
        """
        folder = next((root / each for each in _ANNOTATIONS if (root / each).is_dir()), None)
        folder = self.check_file(root / _ANNOTATIONS[0]) if folder is None else folder
        table = self.check_file(folder / 'list_category_cloth.txt')
        names = [name for name, _ in read_counted_list(table, ('category_name', 'category_type'))]
        listed = self.check_file(folder / 'list_category_img.txt')
        labels = read_counted_list(listed, ('image_name', 'category_label'))
        refuse_repeated(listed, [path for path, _ in labels])
        known = {str(number): name for number, name in enumerate(names, 1)}  # counted from 1
        strange = [f'{path} ({label})' for path, label in labels if label not in known]
        if strange:
            msg = (
                f'each category of {listed} must be 1 to {len(names)}, but {len(strange):,} '
                f'are not: {first_few(strange)}'
            )
            raise ArgumentError(msg)
        partition = self.check_file(root / PARTITION)
        rows = read_counted_list(partition, ('image_name', 'evaluation_status'))
        refuse_repeated(partition, [path for path, _ in rows])
        parts = {path: part for path, part in rows}  # noqa: C416 (dict() hides that they are pairs)
        without = [path for path, _ in labels if parts.get(path, '') not in self.SUBSETS]
        if without or len(parts) != len(labels):
            more = sorted(parts.keys() - {path for path, _ in labels})
            msg = (
                f'{partition} must give each photo of {listed} a subset (train, val or test), and '
                f'no others; it does not for {first_few(without or more)}'
            )
            raise ArgumentError(msg)
        top = image_folder(root)
        return names, {f'{top}{path}': (known[label], parts[path]) for path, label in labels}

    def _merged(self, name: str) -> str:
        return MERGED.get(name, name) if self.merge else name
