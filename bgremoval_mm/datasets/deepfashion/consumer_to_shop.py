"""DeepFashionConsumerToShop: photos by consumers, and a gallery of shops' photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bgremoval_mm.datasets.base.retrieval import ItemPhoto, RetrievalDataset
from bgremoval_mm.datasets.deepfashion.agreement import UnderAgreement
from bgremoval_mm.datasets.deepfashion.category import PARTITION
from bgremoval_mm.datasets.deepfashion.in_shop import category_and_item
from bgremoval_mm.datasets.formats.deepfashion import image_folder, read_counted_list
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['DeepFashionConsumerToShop']

_COLUMNS = ('image_pair_name_1', 'image_pair_name_2', 'item_id', 'evaluation_status')
#: What the names of consumers' photos begin with: it really is spelled so.
_CONSUMER = ('comsumer', 'consumer')


@DATASETS.register_module(force=True)
class DeepFashionConsumerToShop(UnderAgreement, RetrievalDataset):
    """195,540 pairs of photos, of DeepFashion's *Consumer-to-shop Clothes Retrieval Benchmark*.

    Liu et al., "DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich
    Annotations" (CVPR 2016). Reads ``<data_root>/Eval/list_eval_partition.txt``, pairs of a
    consumer's photo, ``img/TOPS/T_Shirt/id_00000218/comsumer_01.jpg``, and a shop's, and the photos
    below ``<data_root>/Img/img`` (or ``img``). A photo is in several pairs, but once in a subset.

    The benchmark's gallery has the shops' photos of validation and test together, in both. The
    queries are the consumers' photos of validation or of test. In training there are no roles. The
    category is in the path of a photo, such as ``'TOPS/T_Shirt'``.

    The dataset is given to those who sign an agreement:
    ``python tools/prepare_dataset.py deepfashion-consumer2shop data/deepfashion_consumer2shop``
    says how to get it, and checks a copy.

    Args:
        data_root: Folder of the benchmark.
        subset: ``'train'``; ``'val'`` or ``'test'``, its queries and then the gallery; ``'query'``,
            those of the test, or ``'gallery'``.
        complete: Make any other number of pairs an error.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Raises:
        FileNotFoundError: If the list or photos are missing.
        ArgumentError: If the list is not as it must be, or numbers differ from the published ones.

    Examples:
        >>> dict(type='DeepFashionConsumerToShop', data_root='data/deepfashion_consumer2shop',
        ...      subset='test', pipeline=[...])
    """

    SUBSETS: ClassVar[tuple[str, ...]] = ('train', 'val', 'query', 'gallery', 'test')
    SIZE: ClassVar[dict[str, int]] = {'pairs': 195_540}
    TITLE: ClassVar[str] = 'Consumer-to-shop Clothes Retrieval Benchmark'
    NAME: ClassVar[str] = 'deepfashion-consumer2shop'
    #: Rows of the list; set by :meth:`find_photos`.
    pairs = 0

    def find_photos(self, root: Path) -> Sequence[ItemPhoto]:
        """Find all photos, in the order of the pairs."""
        listed = self.check_file(root / PARTITION)
        rows = read_counted_list(listed, _COLUMNS)
        wrong = [
            ' '.join(row)
            for row in rows
            if not _is_consumers(row[0]) or _is_consumers(row[1]) or row[3] not in _SPLITS
        ]
        if wrong:
            msg = (
                f'each row of {listed} must be a photo comsumer_*.jpg, one of a shop, their item '
                f'and train, val or test, but {len(wrong):,} are not: {first_few(wrong)}'
            )
            raise ArgumentError(msg)
        self.pairs = len(rows)
        top = image_folder(root)
        photos: dict[str, ItemPhoto] = {}
        for consumer, shop, item, split in rows:
            for path, role in ((consumer, 'query'), (shop, 'gallery')):
                # The gallery is that of validation and test.
                used = 'train' if split == 'train' else role
                part = split if used == 'query' else ''
                category, _ = category_and_item(path)
                photo = ItemPhoto(f'{top}{path}', category, item, used, part)
                before = photos.setdefault(path, photo)
                if before != photo:
                    msg = (
                        f'a photo of {listed} must have one item and be in one subset, but {path} '
                        f'is of {before.item} ({before.split or before.role}) and of {item} '
                        f'({split})'
                    )
                    raise ArgumentError(msg)
        return list(photos.values())

    def count(self, photos: Sequence[ItemPhoto]) -> dict[str, int]:
        """Count pairs, and what other datasets count."""
        return {'pairs': self.pairs, **super().count(photos)}


_SPLITS = ('train', 'val', 'test')


def _is_consumers(path: str) -> bool:
    return path.rpartition('/')[2].startswith(_CONSUMER)
