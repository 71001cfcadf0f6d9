"""MPerClassBatchSampler: batches of so many photos of each of a few classes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dataset import DefaultSampler
from mmengine.logging import print_log
from torch.utils.data import Sampler

from bgremoval_mm.datasets.base.checks import one_of
from bgremoval_mm.registry import DATA_SAMPLERS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['MPerClassBatchSampler']


@DATA_SAMPLERS.register_module(force=True)
class MPerClassBatchSampler(Sampler[list[int]]):
    """Draw batches with `m` photos of each of ``batch_size / m`` random classes.

    What pytorch-metric-learning's ``MPerClassSampler`` draws, for mmengine's runner: the batch size
    is that of the ``train_dataloader``; the ``sampler`` beside it (mmengine's ``DefaultSampler``)
    gives seed, epoch and rank. So a batch depends on the run's seed, the epoch and the process
    only, and a resumed run sees what an uninterrupted one would have seen. With several processes,
    each draws its own batches, each with `m` photos per class.

    Within a batch, no class comes twice, and no photo either, unless its class has fewer than `m`.

    Args:
        sampler: The ``sampler`` of the ``train_dataloader``, with the dataset. The runner gives it.
        batch_size: Photos in a batch and process. The runner gives it.
        m: Photos per class. 1 for losses with proxies, more for losses that compare photos.
        iterations: Batches in an epoch, in each process. None: as many as it takes all processes
            together to draw as many photos as there are.
        small_classes: What to do with classes of fewer than `m` photos: ``'repeat'`` draws them
            with replacement, as Kobs and Hotho do, and the log names them; ``'error'`` refuses
            them.
        by: What a class is: None, the class of the dataset (``get_cat_ids``; of a wrapper without
            it, such as mmengine's ConcatDataset, the samples' ``gt_label``); else a key of its
            samples, such as ``'item_id'``.
        least: Classes with fewer photos than this are left out, and the log counts them: with 2,
            every photo has another one of its class.

    Raises:
        ArgumentError: If `m` is not a divisor of the batch size, the dataset has too few classes to
            fill a batch, a class has fewer than `m` photos and `small_classes` is ``'error'``, or
            samples have no `by`.

    Examples:
        >>> train_dataloader = dict(
        ...     batch_size=32, sampler=dict(type='DefaultSampler', shuffle=True),
        ...     batch_sampler=dict(type='MPerClassBatchSampler', m=4), dataset=...)
    """

    def __init__(
        self,
        sampler: DefaultSampler,
        batch_size: int,
        m: int = 4,
        iterations: int | None = 100,
        small_classes: str = 'repeat',
        by: str | None = None,
        least: int = 1,
    ) -> None:
        for name, value in (('m', m), ('iterations', iterations), ('least', least)):
            if name == 'iterations' and value is None:
                continue
            if not isinstance(value, int) or value < 1:
                msg = f'`{name}` must be a whole number from 1, but got {value!r}'
                raise ArgumentError(msg)
        if batch_size % m:
            msg = f'`m` must divide the batch size, but got {m} and the batch size {batch_size}'
            raise ArgumentError(msg)
        self.sampler = sampler
        self.m = m
        self.classes_in_batch = batch_size // m
        dataset: Any = sampler.dataset
        if iterations is None:
            iterations = math.ceil(len(dataset) / (batch_size * sampler.world_size))
        self.iterations = iterations
        self.by = by
        self.photos = self._without_small(_photos_by_class(dataset, by), least)
        if len(self.photos) < self.classes_in_batch:
            msg = (
                f'a batch of {batch_size} with {m} photos per class needs {self.classes_in_batch} '
                f'classes, but the dataset has {len(self.photos)}'
            )
            raise ArgumentError(msg)
        self._check_small_classes(one_of('small_classes', small_classes, ('repeat', 'error')))

    def _without_small(
        self, photos: dict[int | str, list[int]], least: int
    ) -> dict[int | str, list[int]]:
        kept = {label: each for label, each in photos.items() if len(each) >= least}
        if len(kept) < len(photos):
            print_log(
                f'MPerClassBatchSampler: {len(photos) - len(kept):,} of {len(photos):,} classes '
                f'have fewer than {least} photos and are left out',
                'current',
            )
        return kept

    def _check_small_classes(self, small_classes: str) -> None:
        names = (getattr(self.sampler.dataset, 'metainfo', None) or {}).get('classes')
        small = [
            f'{names[label] if names and isinstance(label, int) else label} ({len(photos)})'
            for label, photos in self.photos.items()
            if len(photos) < self.m
        ]
        if not small:
            return
        text = f'classes with fewer than {self.m} photos: {first_few(small)}'
        if small_classes == 'error':
            msg = f"there are {text}. Take a smaller `m` or repeat photos: `small_classes='repeat'`"
            raise ArgumentError(msg)
        print_log(f'MPerClassBatchSampler: {text}; they are repeated in a batch', 'current')

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of the epoch: indices of photos, those of a class side by side."""
        source = self.sampler
        rng = np.random.default_rng([source.seed, source.epoch, source.rank])
        labels = list(self.photos)
        for _ in range(self.iterations):
            batch: list[int] = []
            for chosen in rng.choice(len(labels), self.classes_in_batch, replace=False):
                photos = self.photos[labels[chosen]]
                repeat = len(photos) < self.m
                batch += rng.choice(photos, self.m, replace=repeat).tolist()
            yield batch

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self.iterations


def _photos_by_class(dataset: Any, by: str | None) -> dict[int | str, list[int]]:
    """Return the indices of the photos of each class, in the order of the labels.

    Raises:
        ArgumentError: If samples have no `by`.
    """
    found: dict[Any, list[int]] = {}
    has_classes = by is None and hasattr(dataset, 'get_cat_ids')
    by = 'gt_label' if by is None else by
    for index in range(len(dataset)):
        if has_classes:
            label = int(dataset.get_cat_ids(index)[0])
        else:
            info = dataset.get_data_info(index)
            if by not in info:
                msg = f'`by` must be a key of the samples ({", ".join(info)}), but got {by!r}'
                raise ArgumentError(msg)
            label = info[by]
        found.setdefault(label, []).append(index)
    return dict(sorted(found.items()))
