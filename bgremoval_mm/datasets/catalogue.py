"""Catalogue: photos of a shop's products, from a CSV file, by folds of products."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from bgremoval_mm.datasets.base.checks import one_of
from bgremoval_mm.datasets.base.classification import ClassificationDataset
from bgremoval_mm.datasets.products.checks import photo_problems
from bgremoval_mm.datasets.products.folds import FOLD, Folds, folds_of_column, read_folds
from bgremoval_mm.datasets.products.manifest import (
    FORMATS,
    Manifest,
    Row,
    columns_of,
    read_manifest,
)
from bgremoval_mm.datasets.products.selection import rows_with
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['Catalogue']

_BAD_PHOTOS = ('error', 'skip')


@DATASETS.register_module(force=True)
class Catalogue(ClassificationDataset):
    """Photos of products, several a product, with any column of a table as the class.

    Reads a CSV file with a row for each photo. Every sample has the id of its product as
    ``product_id``; ``PackInputs(algorithm_keys=('product_id',))`` passes it on to metrics, such as
    ``ProductAccuracy``. Classes are the labels that the whole file has, sorted, so that they are
    the same in all subsets.

    Folds come from a file that ``bgremoval catalogue folds`` has written, or from a column of the
    manifest. The products of fold `fold` are for testing, the others for training; products that
    are marked 1 in the column ``val`` are for validation in all folds but their own. Once loaded,
    ``metainfo['split']`` says which folds were used, with a digest; mmengine stores it in the
    checkpoints of a run.

    Args:
        data_root: Folder that the paths of the photos are relative to.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        manifest: The CSV file. None: ``products.csv`` in `data_root`, or ``styles.csv``, as `form`
            says.
        image, product, label: Names of the columns of the photo's path, the product's id and the
            class. None: ``image``, ``product_id`` and ``category``; with ``form='styles'``, those
            of that file, where the class is ``articleType``.
        form: ``'csv'``, or ``'styles'`` for ``styles.csv`` of Kaggle's *Fashion Product Images*.
        fold: Number of the fold whose products are tested. None: all photos of the catalogue, in
            training and in testing; there is no ``'val'`` then.
        fold_file: File of the folds. None: a column of the manifest.
        fold_column: Name of the column of the fold, in that file or in the manifest.
        where: Column to the value, or values, of the photos that are used: ``{'is_person': 0}``.
        bad_photos: What photos that are missing (or broken, with `decode`) are: an ``'error'``, or
            to be left out (``'skip'``) with a warning that counts and names them.
        decode: Whether every photo is read through when the dataset is loaded, to find broken ones;
            ``bgremoval catalogue check`` does that once for all.
        metainfo: ``classes`` in it: the classes in your order. Photos of others are left out.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.

    Raises:
        FileNotFoundError: If the manifest, the file of folds or photos are missing.
        ArgumentError: If an argument or the manifest is not as it must be, a product has two
            labels, or a class has no photo to train on.

    Examples:
        >>> dict(type='Catalogue', data_root='data/luma_catalogue', image='file',
        ...      product='item_id', label='category', fold_file='data/folds/luma.csv', fold=0,
        ...      subset='train', pipeline=[...])
    """

    METAINFO: ClassVar[dict[str, Any]] = {'classes': ()}

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        manifest: str | Path | None = None,
        image: str | None = None,
        product: str | None = None,
        label: str | None = None,
        form: str = 'csv',
        fold: int | None = None,
        fold_file: str | Path | None = None,
        fold_column: str = FOLD,
        where: Mapping[str, str | int | Sequence[str | int]] | None = None,
        bad_photos: str = 'error',
        decode: bool = False,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool | None = None,
        metainfo: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.form = one_of('form', form, FORMATS)
        self.bad_photos = one_of('bad_photos', bad_photos, _BAD_PHOTOS)
        name = 'styles.csv' if form == 'styles' else 'products.csv'
        self.manifest = Path(data_root, name) if manifest is None else Path(manifest)
        self.decode, self.where = decode, dict(where or {})
        self.fold, self.fold_file, self.fold_column = fold, fold_file, fold_column
        self._columns = columns_of(form, image, product, label)
        if fold is None and fold_file is not None:
            msg = f'`fold` must be the number of a fold of {fold_file}, but got None'
            raise ArgumentError(msg)
        if fold is None and subset == 'val':
            msg = "`fold` must be given for the subset 'val', but got None"
            raise ArgumentError(msg)
        rest = dict(metainfo or {})
        self._chosen = tuple(rest.pop('classes', ()))
        super().__init__(data_root, subset, pipeline, test_mode, metainfo=rest, **options)
        if self._chosen:
            self._metainfo['classes'] = self._chosen

    def find_images(self) -> list[dict[str, Any]]:
        """Find the photos of the subset, in the order of the manifest."""
        root = Path(self.data_root)
        whole = read_manifest(self.manifest.expanduser(), self._columns, self.form)
        classes = self._chosen or whole.classes
        unknown = sorted(set(classes) - set(whole.classes))
        if unknown:
            msg = (
                f"`metainfo['classes']` must be values of the column {whole.columns.label} of "
                f'{whole.path} ({first_few(whole.classes)}), but got {first_few(unknown)}'
            )
            raise ArgumentError(msg)
        self._metainfo['classes'] = classes
        kept = whole.with_rows(rows_with(whole, self.where))
        labelled = [row for row in kept.rows if row[kept.columns.label] in set(classes)]
        left_out = len(kept.rows) - len(labelled)
        if left_out:
            self.log(f'{left_out:,} photos have no {kept.columns.label} among the classes')
        kept = kept.with_rows(labelled)
        kept.label_of_products()  # each has one
        chosen = kept.with_rows(self._rows_of_subset(kept, whole))
        rows = self._without_bad_photos(chosen, root)
        self._check_classes(rows, classes)
        columns = kept.columns
        return [
            {
                'img_path': row[columns.image],
                'gt_label': row[columns.label],
                'product_id': row[columns.product],
            }
            for row in rows
        ]

    def _rows_of_subset(self, manifest: Manifest, whole: Manifest) -> list[Row]:
        key = manifest.columns.product
        if self.fold is None:
            self._metainfo['split'] = {'fold': None, 'source': str(self.manifest)}
            return list(manifest.rows)
        folds = self._folds(whole)
        if not isinstance(self.fold, int) or not 0 <= self.fold < folds.count:
            msg = f'`fold` must be 0 to {folds.count - 1} ({folds.source}), but got {self.fold!r}'
            raise ArgumentError(msg)
        lost = sorted({row[key] for row in manifest.rows} - set(folds.fold_of))
        if lost:
            msg = (
                f'each product of {manifest.path} must have a fold in {folds.source}, but '
                f'{len(lost):,} have none: {first_few(lost)}'
            )
            raise ArgumentError(msg)
        if self.subset == 'val' and not folds.validation:
            msg = (
                f"{folds.source} must mark products for the subset 'val' by 1 in a column `val`, "
                'but has none: `bgremoval catalogue folds --val-share 0.1` does that'
            )
            raise ArgumentError(msg)
        self._metainfo['split'] = {
            'fold': self.fold,
            'source': str(self.fold_file or self.manifest),
            'digest': folds.digest,
        }
        return [row for row in manifest.rows if folds.subset_of(row[key], self.fold) == self.subset]

    def _folds(self, manifest: Manifest) -> Folds:
        if self.fold_file is None:
            return folds_of_column(manifest, self.fold_column)
        path = Path(self.fold_file).expanduser()
        return read_folds(path, manifest.columns.product, self.fold_column)

    def _without_bad_photos(self, manifest: Manifest, root: Path) -> Sequence[Row]:
        missing, read = photo_problems(manifest, root, self.decode)
        problems = [f'{len(missing):,} photos are missing: {first_few(missing)}'] * bool(missing)
        if read.unreadable:
            broken = [f'{path} ({reason})' for path, reason in read.unreadable.items()]
            problems.append(f'{len(broken):,} photos are broken: {first_few(broken)}')
        if not problems:
            return manifest.rows
        text = f'of {len(manifest.rows):,} photos of {manifest.path}, ' + '; '.join(problems)
        if self.bad_photos == 'error':
            msg = f"{text}. `bad_photos='skip'` leaves them out"
            raise FileNotFoundError(msg) if missing else ArgumentError(msg)
        self.log(f'{text}. They are left out', logging.WARNING)
        bad = {*missing, *read.unreadable}
        return [row for row in manifest.rows if row[manifest.columns.image] not in bad]

    def _check_classes(self, rows: Sequence[Row], classes: Sequence[str]) -> None:
        counts = Counter(row[self._columns.label] for row in rows)
        empty = [name for name in classes if not counts[name]]
        if not empty:
            return
        where = str(self.manifest)
        where += '' if self.fold is None else f', fold {self.fold}'
        text = f'{len(empty):,} classes have no photo in {self.subset} of {where}: '
        if self.subset == 'train':
            msg = (
                f'{text}{first_few(empty)}. A model cannot learn them: take other folds, or name '
                "the classes that there are in `metainfo['classes']`"
            )
            raise ArgumentError(msg)
        self.log(text + first_few(empty), logging.WARNING)
