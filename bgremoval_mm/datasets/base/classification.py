"""What the classification data sets of this package share."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

SUBSETS = ('train', 'val', 'test')

_SHOWN = 5


class ClassificationDataset(BaseDataset):
    """Photographs below one folder, each with one label.

    Behaves as mmpretrain's data sets do for samplers, metrics and tools, but derives from
    mmengine's: importing this package loads no codebase. A subclass gives ``METAINFO['classes']``
    and :meth:`find_images`.

    Args:
        data_root: Folder of the data set.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        pipeline: Transforms or their configs. May be left out where a wrapper brings them.
        test_mode: Whether a sample that fails raises an error instead of being replaced by another
            one. None: in every subset but ``'train'``.
        metainfo: Additions to the meta information; the classes cannot be changed.
        indices: Use the first so many samples, or those of a list only.
        serialize_data: Keep the list of samples as bytes, which workers share.
        lazy_init: Put off looking at the folder until a sample is needed.
        max_refetch: How often a failed sample is replaced by another one in training.
        every: Use every so many images only, from the first one: 3 for a third of them.

    Raises:
        ValueError: If `subset` is unknown, `metainfo` names other classes, or `every` is less than
            1 or no whole number.
    """

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool | None = None,
        metainfo: Mapping | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
        max_refetch: int = 1000,
        every: int = 1,
    ) -> None:
        self.subset = one_of('subset', subset, SUBSETS)
        if not isinstance(every, int) or every < 1:
            msg = f'`every` must be a whole number from 1, but got {every!r}'
            raise ValueError(msg)
        self.every = every
        known = tuple(self.METAINFO['classes'])
        given = known if metainfo is None else tuple(metainfo.get('classes', known))
        if given != known:
            msg = (
                f"`metainfo['classes']` of {type(self).__name__} must be left out or be {known}, "
                f'but got {given}. For other classes use a data set of your own, such as '
                "mmpretrain's CustomDataset."
            )
            raise ValueError(msg)
        super().__init__(
            metainfo=metainfo,
            data_root=os.path.expanduser(data_root),  # noqa: PTH111 (mm data sets keep strings)
            indices=indices,
            serialize_data=serialize_data,
            pipeline=pipeline,
            test_mode=subset != 'train' if test_mode is None else test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )

    @abstractmethod
    def find_images(self) -> list[tuple[str, str]]:
        """The images of the subset.

        Returns:
            One pair an image: path relative to ``data_root``, with ``/``, and name of the class.
        """

    def load_data_list(self) -> list[dict[str, Any]]:
        """Annotations of all samples: ``img_path`` (str) and ``gt_label`` (int)."""
        labels = self.class_to_idx
        images = self.find_images()[:: self.every]
        counts = Counter(label for _, label in images)
        each = ', '.join(f'{name} {counts[name]}' for name in self.CLASSES)
        split = self._metainfo.get('split')
        self.log(f'{len(images):,} images ({each})' + (f'; split: {split}' if split else ''))
        return [
            {'img_path': os.path.join(self.data_root, path), 'gt_label': labels[label]}  # noqa: PTH118
            for path, label in images
        ]

    def log(self, text: str, level: int = logging.INFO) -> None:
        """Write to the run's log, which one process of many does."""
        print_log(f'{type(self).__name__} {self.subset}: {text}', 'current', level)

    @property
    def CLASSES(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the classes, in the order of their indices."""
        return self._metainfo['classes']

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Index of each class."""
        return {name: index for index, name in enumerate(self.CLASSES)}

    def get_gt_labels(self) -> np.ndarray:
        """Class indices of all samples, int64 of shape (N,)."""
        labels = [self.get_data_info(index)['gt_label'] for index in range(len(self))]
        return np.array(labels, np.int64)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Class index of a sample, in a list, as samplers and wrappers want it."""
        return [int(self.get_data_info(idx)['gt_label'])]

    def __repr__(self) -> str:
        state = f'{len(self):,} images' if self._fully_initialized else 'not loaded yet'
        return f'{type(self).__name__}({self.data_root!r}, {self.subset!r}: {state})'


def one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    """The value of an argument, if it is an allowed one.

    Raises:
        ValueError: If it is not; lists the allowed values.
    """
    if value not in allowed:
        msg = f'`{name}` must be one of {", ".join(map(repr, allowed))}, but got {value!r}'
        raise ValueError(msg)
    return value


def what_is_at(folder: Path) -> str:
    """What a folder holds, for an error about what it does not hold."""
    if not folder.exists():
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        return f'{folder} does not exist' + (
            '' if above == folder.absolute().parent else f' (nor anything below {above})'
        )
    if not folder.is_dir():
        return f'{folder} is a file'
    names = sorted(f'{entry.name}/' if entry.is_dir() else entry.name for entry in folder.iterdir())
    return f'{folder} holds {first_few(names)}' if names else f'{folder} is empty'


def first_few(names: Sequence[str]) -> str:
    """The first names of a list and how many more there are.

    Bytes that are no UTF-8, as old archives leave them in names, are shown as escapes: a log file
    could not hold them.
    """
    shown = ', '.join(names[:_SHOWN]).encode('utf-8', 'backslashreplace').decode()
    return shown + (f' and {len(names) - _SHOWN:,} more' if len(names) > _SHOWN else '')
