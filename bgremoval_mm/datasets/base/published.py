"""PublishedDataset: the base class of datasets of which a whole copy has known numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from bgremoval_mm.datasets.base.checks import check_files
from bgremoval_mm.datasets.base.classification import ClassificationDataset
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import what_is_at

__all__ = ['PublishedDataset']


class PublishedDataset(ClassificationDataset):
    """A dataset that says what a whole copy has, and where it comes from.

    Its classes are known when its lists have been read.

    Args:
        data_root: Folder of the dataset.
        subset: One of the dataset's subsets.
        complete: Make it an error if the copy has not as much as the published dataset. False: use
            a part of it.
        **options: As of :class:`~bgremoval_mm.datasets.base.classification.ClassificationDataset`.
    """

    METAINFO: ClassVar[dict[str, Any]] = {'classes': ()}
    #: What a whole copy has: how many of what. What is not in it is not checked.
    SIZE: ClassVar[Mapping[str, int]] = {}
    #: Where to get the dataset, for errors.
    PAGE: ClassVar[str] = ''

    def __init__(
        self, data_root: str | Path, subset: str = 'train', complete: bool = True, **options: Any
    ) -> None:
        self.complete = complete
        super().__init__(data_root, subset, **options)

    @classmethod
    def how_to_get(cls) -> str:
        """Return a sentence, without its full stop, that says where the dataset comes from."""
        return f'Get {cls.__name__} from {cls.PAGE}'

    def check_size(self, found: Mapping[str, int]) -> None:
        """Check that the copy is whole, if it has to be.

        Args:
            found: How many it has, of all that :attr:`SIZE` counts.

        Raises:
            ArgumentError: If a number differs from the published one.
        """
        wrong = {name: count for name, count in self.SIZE.items() if found[name] != count}
        if self.complete and wrong:
            stated = ', '.join(f'{count:,} {name}' for name, count in wrong.items())
            there = ', '.join(f'{found[name]:,} {name}' for name in wrong)
            msg = (
                f'{type(self).__name__} has {stated}, but {self.data_root} has {there}. '
                f'{self.how_to_get()}; complete=False uses what is there.'
            )
            raise ArgumentError(msg)

    def check_photos(self, paths: Iterable[str]) -> None:
        """Check that all photos are there.

        Args:
            paths: Below ``data_root``.

        Raises:
            FileNotFoundError: If some are not; names the first few.
        """
        whole = [os.path.join(self.data_root, path) for path in paths]  # noqa: PTH118 (many)
        check_files(whole, f'photos of {type(self).__name__}', self.how_to_get())

    def check_file(self, path: Path) -> Path:
        """Return the path of a file or folder that the dataset must have.

        Raises:
            FileNotFoundError: If it is not there.
        """
        if not path.exists():
            root = Path(self.data_root)
            msg = (
                f'`data_root` must be the folder of {type(self).__name__}, with '
                f'{path.relative_to(root)} in it, but {what_is_at(root)}. {self.how_to_get()}'
            )
            raise FileNotFoundError(msg)
        return path
