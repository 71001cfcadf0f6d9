"""FashionStyle14: photographs of people in fourteen styles (Takagi et al., ICCV workshops 2017)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from bgremoval_mm.datasets.base.checks import one_of
from bgremoval_mm.datasets.base.classification import (
    SUBSETS,
    ClassificationDataset,
)
from bgremoval_mm.datasets.formats.split_lists import (
    TOP,
    ImageTree,
    Subset,
    digest,
    label_of,
    match_with_disk,
    read_list,
    shared_paths,
)
from bgremoval_mm.datasets.formats.stratified import ensure_lists
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few, what_is_at

CLASSES = (
    'conservative',
    'dressy',
    'ethnic',
    'fairy',
    'feminine',
    'gal',
    'girlish',
    'kireime-casual',
    'lolita',
    'mode',
    'natural',
    'retro',
    'rock',
    'street',
)
SPLITS = ('official', 'stratified')
PAGE = 'https://esslab.jp/~ess/en/data/fashionstyle14/'


@DATASETS.register_module(force=True)
class FashionStyle14(ClassificationDataset):
    """FashionStyle14: about 13,000 photographs of people in 14 fashion styles.

    Reads ``<data_root>/dataset/<class>/<file>`` and the lists ``<data_root>/{train,val,test}.csv``:
    one path per line, no header, the class is the path's second part. The dataset must be fetched
    by hand; ``python tools/prepare_dataset.py fashionstyle14 data/FashionStyle14_v1`` checks it.

    The published lists do not fit the published images. Listed files that are missing and classes
    without an image are logged, and kept in :attr:`report`; repeated lines count once.
    ``split='stratified'`` uses a re-split of the images that are there instead: 60 % training, 5 %
    validation and 35 % test of every class, by a hash of the names, so that it is the same
    everywhere. It is written once to ``<data_root>/splits/stratified_seed<seed>``, and read from
    there ever after.

    Once loaded, ``metainfo['split']`` says what was used: split, seed, and a digest over the images
    of all three subsets. mmengine stores it in the checkpoints of a run. Loading fails with a
    FileNotFoundError if the lists, or all images, are missing, and with a ValueError for a line
    that is not the path of an image of the 14 classes.

    Args:
        data_root: Folder of the dataset, e.g. ``'data/FashionStyle14_v1'``.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        split: ``'official'``, the lists of the dataset, or ``'stratified'``.
        seed: Which re-split, at least 0.
        split_dir: Folder for re-splits in place of ``<data_root>/splits``, if the dataset must not
            be written to.
        strict: Make missing files and classes an error.
        pipeline: Transforms or their configs. May be left out where a wrapper brings them.
        test_mode: Whether a sample that fails raises an error instead of being replaced by another
            one. None: in every subset but ``'train'``.
        **options: ``every``, and ``indices``, ``lazy_init``, ``metainfo``, ``serialize_data`` and
            ``max_refetch`` of :class:`mmengine.dataset.BaseDataset`.

    Examples:
        >>> dict(type='FashionStyle14', data_root='data/FashionStyle14_v1', subset='train',
        ...      split='official', pipeline=[...])
    """

    METAINFO: ClassVar[dict[str, Any]] = {'classes': CLASSES}

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        split: str = 'official',
        seed: int = 0,
        split_dir: str | Path | None = None,
        strict: bool = False,
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool | None = None,
        **options: Any,
    ) -> None:
        self.split = one_of('split', split, SPLITS)
        self.seed = _checked_seed(seed)
        self.split_dir = None if split_dir is None else Path(split_dir).expanduser()
        self.strict = strict
        #: The subset's list, compared with what is on disk; None until it is loaded.
        self.report: Subset | None = None
        super().__init__(data_root, subset, pipeline, test_mode, **options)

    def find_images(self) -> list[dict[str, str]]:
        """Find each image and its class, in the order of the list."""
        root = Path(self.data_root)
        files = split_files(root, self.split, self.seed, self.split_dir)
        # All three, because datasets that are joined must agree on what the split is.
        subsets = read_subsets(root, files)
        self.report = subsets[self.subset]
        self._metainfo['split'] = split_name(self.split, self.seed, subsets)
        self._judge(self.report, shared_paths(subsets))
        return [{'img_path': path, 'gt_label': label_of(path)} for path in self.report.paths]

    def _judge(self, found: Subset, shared: Sequence[str]) -> None:
        """Log or raise what is wrong with a list."""
        lost = f'{len(found.missing):,} of the files that {found.file} lists are missing'
        if not found.paths:
            msg = (
                f'{found.file} must list images of {self.data_root}, but '
                + (f'all {lost}: {first_few(found.missing)}' if found.missing else 'lists none')
                + f'. {how_to_get(Path(self.data_root))}'
            )
            raise FileNotFoundError(msg)
        if found.missing:
            self._complain(FileNotFoundError, f'{lost}: {first_few(found.missing)}')
        absent = [name for name in CLASSES if name not in found.counts]
        if absent:
            self._complain(ArgumentError, f'{found.file} has no image of {", ".join(absent)}')
        if found.duplicates:
            self.log(
                f'{found.duplicates:,} lines of {found.file} repeat earlier ones and were dropped',
                logging.WARNING,
            )
        if shared:
            self.log(
                f'{len(shared):,} images stand in more than one subset: {first_few(shared)}',
                logging.WARNING,
            )

    def _complain(self, kind: type[Exception], text: str) -> None:
        if self.strict:
            msg = (
                f"{text}. With strict=False they are ignored; split='stratified' uses the "
                'images that are there.'
            )
            raise kind(msg)
        self.log(text, logging.WARNING)


def how_to_get(root: Path) -> str:
    """Return a sentence that says where the dataset comes from."""
    return (
        f'Fetch FashionStyle14_v1 by hand from {PAGE}, unpack it to {root}, and check it with '
        f'`python tools/prepare_dataset.py fashionstyle14 {root}`'
    )


def split_files(
    root: Path, split: str, seed: int = 0, split_dir: Path | None = None
) -> dict[str, Path]:
    """Return the file of each subset of a split; a re-split is made if it is not there yet.

    Raises:
        FileNotFoundError: If the folder is not that of the dataset.
    """
    files = {name: root / f'{name}.csv' for name in SUBSETS} if split == 'official' else {}
    if not (root / TOP).is_dir() or not all(file.is_file() for file in files.values()):
        needed = ', '.join([f'{TOP}/', *(file.name for file in files.values())])
        msg = (
            f'`data_root` must be the folder of FashionStyle14, with {needed} in it, but '
            f'{what_is_at(root)}. {how_to_get(root)}'
        )
        raise FileNotFoundError(msg)
    return files or ensure_lists(root, CLASSES, seed, split_dir)


def split_name(split: str, seed: int, subsets: Mapping[str, Subset]) -> str:
    """Name the split that a run keeps: e.g. ``'stratified seed 0 sha256 0123456789abcdef'``."""
    numbered = f'{split} seed {seed}' if split == 'stratified' else split
    return f'{numbered} sha256 {digest(subsets)[:16]}'


def read_subsets(root: Path, files: Mapping[str, Path]) -> dict[str, Subset]:
    """Read the lists of a split and compare them with what is on disk."""
    tree = ImageTree.of(root, CLASSES)
    return {
        name: match_with_disk(file, read_list(file, CLASSES), tree) for name, file in files.items()
    }


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        msg = f'`seed` must be an integer of at least 0, but got {seed!r}'
        raise ArgumentError(msg)
    return seed
