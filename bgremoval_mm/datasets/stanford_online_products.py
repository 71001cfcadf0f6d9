"""StanfordOnlineProducts: photos of 22,634 products from eBay, split by product."""

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

__all__ = ['StanfordOnlineProducts']


@DATASETS.register_module(force=True)
class StanfordOnlineProducts(ClassSplitDataset):
    """120,053 photos of products: 8,489 products for training, 2,829 for val, 11,316 for test.

    Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding" (2016). The split is
    that of Kobs and Hotho: of ``Ebay_train.txt``, products 0 to 8,488 are for training and the rest
    for validation; ``Ebay_test.txt`` is for test. A product's class is called
    ``'<super class>/<id>'``, e.g. ``'bicycle/1'``.

    Reads the two lists in ``<data_root>`` and the photos that they name.

    Args:
        data_root: Folder of the dataset, ``Stanford_Online_Products``.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        complete: Make any other number of photos or classes an error.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Examples:
        >>> dict(type='StanfordOnlineProducts', data_root='data/Stanford_Online_Products',
        ...      subset='train', pipeline=[...])
    """

    SIZE: ClassVar[dict[str, int]] = {'photos': 120_053, 'classes': 22_634}
    PAGE = 'https://cvgl.stanford.edu/projects/lifted_struct'

    def find_photos(self, root: Path) -> list[Photo]:
        """Find all photos, in the order of the lists."""
        photos = []
        for file in ('Ebay_train.txt', 'Ebay_test.txt'):
            for _, product, _, path in read_rows(self.check_file(root / file), 4, header=True):
                number = class_number(root / file, product)
                subset = 'train' if number < 8489 else 'val'
                if file == 'Ebay_test.txt':
                    subset = 'test'
                name = f'{path.partition("/")[0].removesuffix("_final")}/{product}'
                photos.append(Photo(path, number, name, subset))
        return photos
