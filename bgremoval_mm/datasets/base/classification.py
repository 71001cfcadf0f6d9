"""ClassificationDataset: the base class of datasets with one label per image."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from bgremoval_mm.datasets.base.checks import check_classes, one_of
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['SUBSETS', 'ClassificationDataset', 'ImageInfo']

SUBSETS = ('train', 'val', 'test')

ImageInfo: TypeAlias = Mapping[str, Any] | tuple[str, str]
"""What is known of an image: ``img_path``, ``gt_label`` and more; or a pair of these two."""


class ClassificationDataset(BaseDataset):
    """Photographs below one folder, each with one label.

    Behaves as mmpretrain's datasets do for samplers, metrics and tools, but derives from
    mmengine's: importing this package loads no codebase. A subclass gives ``METAINFO['classes']``
    and :meth:`find_images`.

    Args:
        data_root: Folder of the dataset.
        subset: ``'train'``, ``'val'`` or ``'test'``.
        pipeline: Transforms or their configs. May be left out where a wrapper brings them.
        test_mode: Whether a sample that fails raises an error instead of being replaced by another
            one. None: in every subset but ``'train'``.
        metainfo: Additions to the meta information; the classes cannot be changed.
        indices: Use the first so many samples, or those of a list only.
        serialize_data: Keep the list of samples as bytes, which workers share.
        lazy_init: Scan the folder on first use.
        max_refetch: How often a failed sample is replaced by another one in training.
        every: Use every so many images only, from the first one: 3 for a third of them.

    Raises:
        ValueError: If `subset` is unknown, `metainfo` names other classes, or `every` is less than
            1 or not a whole number.
    """

    #: What `subset` may be.
    SUBSETS: ClassVar[tuple[str, ...]] = SUBSETS

    def __init__(
        self,
        data_root: str | Path,
        subset: str = 'train',
        pipeline: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        test_mode: bool | None = None,
        metainfo: Mapping[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
        max_refetch: int = 1000,
        every: int = 1,
    ) -> None:
        self.subset = one_of('subset', subset, self.SUBSETS)
        name = type(self).__name__
        check_classes(name, metainfo, self.METAINFO['classes'], "mmpretrain's CustomDataset")
        if not isinstance(every, int) or every < 1:
            msg = f'`every` must be a whole number from 1, but got {every!r}'
            raise ArgumentError(msg)
        self.every = every
        super().__init__(
            metainfo=metainfo,
            data_root=os.path.expanduser(data_root),  # noqa: PTH111 (mm datasets keep strings)
            indices=indices,
            serialize_data=serialize_data,
            pipeline=pipeline,
            test_mode=subset != 'train' if test_mode is None else test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )

    @abstractmethod
    def find_images(self) -> Sequence[ImageInfo]:
        """Find the images of the subset.

        Returns:
            A dict per image: ``img_path`` (relative to ``data_root``, with ``/``), ``gt_label``
            (name of the class) and whatever else samples are to have, such as the id of a product
            or the path of a mask. A pair (``img_path``, ``gt_label``) will do as well.
        """

    def chosen_images(self) -> list[dict[str, Any]]:
        """Return those of :meth:`find_images` that `every` takes, as dicts.

        Raises:
            ArgumentError: If there are none, which mmengine has no words for.
        """
        images = self.find_images()
        if not images:
            msg = f'{type(self).__name__} {self.subset} has no photo in {self.data_root}'
            raise ArgumentError(msg)
        return [
            dict(each) if isinstance(each, Mapping) else {'img_path': each[0], 'gt_label': each[1]}
            for each in images[:: self.every]
        ]

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return what is known of each sample.

        Returns:
            What :meth:`find_images` gives, with ``img_path`` below ``data_root`` and ``gt_label``
            as the index of the class (int).
        """
        images = self.chosen_images()
        labels = self.class_to_idx  # a dataset may know its classes only now
        counts = Counter(each['gt_label'] for each in images)
        per_class = ', '.join(f'{name} {counts[name]}' for name in self.CLASSES)
        split = self._metainfo.get('split')
        self.log(f'{len(images):,} images ({per_class})' + (f'; split: {split}' if split else ''))
        for each in images:
            each['img_path'] = os.path.join(self.data_root, each['img_path'])  # noqa: PTH118
            each['gt_label'] = labels[each['gt_label']]
        return images

    def log(self, text: str, level: int = logging.INFO) -> None:
        """Write to the run's log, which one process of many does."""
        print_log(f'{type(self).__name__} {self.subset}: {text}', 'current', level)

    @property
    def CLASSES(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the classes, in the order of their indices."""
        return tuple(self._metainfo['classes'])

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Index of each class."""
        return {name: index for index, name in enumerate(self.CLASSES)}

    def get_gt_labels(self) -> np.ndarray:
        """Return the class indices of all samples, int64 of shape (N,)."""
        labels = [self.get_data_info(index)['gt_label'] for index in range(len(self))]
        return np.array(labels, np.int64)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the class index of a sample, in a list, as samplers and wrappers want it."""
        return [int(self.get_data_info(idx)['gt_label'])]

    def __repr__(self) -> str:
        state = f'{len(self):,} images' if self._fully_initialized else 'not loaded yet'
        return f'{type(self).__name__}({self.data_root!r}, {self.subset!r}: {state})'
