"""DeepFashionInShop: photos of a shop, queries and gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bgremoval_mm.datasets.base.retrieval import ItemPhoto, RetrievalDataset
from bgremoval_mm.datasets.deepfashion.agreement import UnderAgreement
from bgremoval_mm.datasets.deepfashion.category import PARTITION
from bgremoval_mm.datasets.formats.deepfashion import (
    image_folder,
    read_counted_list,
    refuse_repeated,
)
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['DeepFashionInShop', 'category_and_item']


@DATASETS.register_module(force=True)
class DeepFashionInShop(UnderAgreement, RetrievalDataset):
    """52,712 photos of 7,982 items, of DeepFashion's *In-shop Clothes Retrieval Benchmark*.

    Liu et al., "DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich
    Annotations" (CVPR 2016): 25,882 photos of 3,997 items for training, and of the others 14,218
    queries and a gallery of 12,612. Reads ``<data_root>/Eval/list_eval_partition.txt`` and the
    photos below ``<data_root>/Img/img`` (or ``img``). The category is in the path of a photo,
    ``img/WOMEN/Dresses/id_00000002/02_1_front.jpg``: there are 23, such as ``'WOMEN/Dresses'``.

    The dataset is given to those who sign an agreement:
    ``python tools/prepare_dataset.py deepfashion-inshop data/deepfashion_inshop`` says how to get
    it, and checks a copy.

    Args:
        data_root: Folder of the benchmark.
        subset: ``'train'``; ``'test'``, all queries and then the gallery; ``'query'`` or
            ``'gallery'``.
        complete: Make any other number of photos or items an error.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Raises:
        FileNotFoundError: If the list or photos are missing.
        ArgumentError: If the list is not as it must be, or numbers differ from the published ones.

    Examples:
        >>> dict(type='DeepFashionInShop', data_root='data/deepfashion_inshop', subset='train',
        ...      pipeline=[...])
    """

    SIZE: ClassVar[dict[str, int]] = {
        'photos': 52_712,
        'items': 7982,
        'train': 25_882,
        'query': 14_218,
        'gallery': 12_612,
    }
    TITLE: ClassVar[str] = 'In-shop Clothes Retrieval Benchmark'
    NAME: ClassVar[str] = 'deepfashion-inshop'

    def find_photos(self, root: Path) -> Sequence[ItemPhoto]:
        """Find all photos, in the order of the list."""
        listed = self.check_file(root / PARTITION)
        rows = read_counted_list(listed, ('image_name', 'item_id', 'evaluation_status'))
        refuse_repeated(listed, [path for path, _, _ in rows])
        top, photos, wrong = image_folder(root), [], []
        for path, item, role in rows:
            category, folder = category_and_item(path)
            if folder != item or role not in ('train', 'query', 'gallery'):
                wrong.append(f'{path} {item} {role}')
            photos.append(ItemPhoto(f'{top}{path}', category, item, role))
        if wrong:
            msg = (
                f'each row of {listed} must be a photo img/<group>/<category>/<item>/..., its item '
                f'and train, query or gallery, but {len(wrong):,} are not: {first_few(wrong)}'
            )
            raise ArgumentError(msg)
        return photos


def category_and_item(path: str) -> tuple[str, str]:
    """Return the category and the item that the path of a photo names.

    >>> category_and_item('img/WOMEN/Dresses/id_00000002/02_1_front.jpg')
    ('WOMEN/Dresses', 'id_00000002')
    """
    folders = path.split('/')[1:-1]
    return '/'.join(folders[:-1]), folders[-1] if folders else ''
