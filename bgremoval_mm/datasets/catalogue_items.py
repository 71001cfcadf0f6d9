"""CatalogueItems: the photos of a shop's catalogue, as queries and a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from bgremoval_mm.datasets.catalogue import Catalogue
from bgremoval_mm.datasets.products.manifest import Manifest, read_manifest
from bgremoval_mm.datasets.products.selection import rows_with
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['CatalogueItems']


@DATASETS.register_module(force=True)
class CatalogueItems(Catalogue):
    """A catalogue whose photos of one item are to find each other.

    A :class:`~bgremoval_mm.datasets.catalogue.Catalogue`, whose samples also have ``item_id`` and
    ``role``. In training the role is ``'train'``; in validation and test, photos with certain
    values in the table are queries, and all others are the gallery. Folds divide products, so that
    no item of the test is in training.

    Args:
        data_root: As of Catalogue.
        subset: ``'train'``; ``'val'`` or ``'test'``, its queries and then its gallery; ``'query'``
            or ``'gallery'``, those of the test.
        item: Columns that together name an item, such as product and colour.
        queries: Column to the value, or values, of the photos that are queries:
            ``{'view': ['back', 'alt']}``.
        **options: As of Catalogue.

    Raises:
        FileNotFoundError: As of Catalogue.
        ArgumentError: As of Catalogue; or there is no such column, or no such value in it; or a
            photo has no item, or, with folds, an item is of several products.

    Examples:
        >>> dict(type='CatalogueItems', data_root='data/luma_catalogue', image='file',
        ...      product='item_id', label='category', item=('item_id', 'colour'),
        ...      queries={'view': ['back', 'alt']}, fold_file='data/folds/luma.csv', fold=0,
        ...      subset='test', pipeline=[...])
    """

    SUBSETS: ClassVar[tuple[str, ...]] = ('train', 'val', 'query', 'gallery', 'test')

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        item: Sequence[str] = ('product_id',),
        queries: Mapping[str, str | int | Sequence[str | int]] | None = None,
        **options: Any,
    ) -> None:
        if not queries:
            msg = (
                "`queries` must say which photos are queries, such as {'view': ['back', 'alt']}, "
                f'but got {queries!r}'
            )
            raise ArgumentError(msg)
        self.item, self.queries = tuple(item), dict(queries)
        super().__init__(data_root, subset, **options)

    def find_images(self) -> list[dict[str, Any]]:
        """Find the photos of the subset, the queries first."""
        manifest = read_manifest(self.manifest.expanduser(), self._columns, self.form)
        missing = [name for name in self.item if name not in manifest.header]
        if missing or not self.item:
            msg = f'`item` must name columns of {manifest.path}, but got {self.item}'
            raise ArgumentError(msg)
        image = manifest.columns.image
        items = self._items(manifest)
        queries = {row[image] for row in rows_with(manifest, self.queries, 'queries')}
        wanted = self.subset
        try:
            self.subset = 'test' if wanted in ('query', 'gallery') else wanted
            images = super().find_images()
        finally:
            self.subset = wanted
        for each in images:
            name = each['img_path']
            each['item_id'] = items[name]
            each['role'] = 'query' if name in queries else 'gallery'
            if wanted == 'train':
                each['role'] = 'train'
        if wanted in ('query', 'gallery'):
            images = [each for each in images if each['role'] == wanted]
        return sorted(images, key=lambda each: each['role'] != 'query')

    def _items(self, manifest: Manifest) -> dict[str, str]:
        """Return the item of each photo that is used.

        Raises:
            ArgumentError: If a photo has none, or the folds would tear an item apart.
        """
        rows = rows_with(manifest, self.where)
        image, product = manifest.columns.image, manifest.columns.product
        columns = ', '.join(self.item)
        without = [row[image] for row in rows if not any(row[name] for name in self.item)]
        if without:
            msg = (
                f'each photo of {manifest.path} must have an item ({columns}), but '
                f'{len(without):,} have none: {first_few(without)}'
            )
            raise ArgumentError(msg)
        items = {row[image]: '/'.join(row[name] for name in self.item) for row in rows}
        products: dict[str, set[str]] = {}
        for row in rows:
            products.setdefault(items[row[image]], set()).add(row[product])
        torn = sorted(item for item, each in products.items() if len(each) > 1)
        if torn and self.fold is not None:
            msg = (
                f'`item` must lie within a product ({product}), as folds divide products, but '
                f'{len(torn):,} do not: {first_few(torn)}. Name a column as `product` that holds '
                'whole items, and divide by it, or take `fold=None`'
            )
            raise ArgumentError(msg)
        return items
