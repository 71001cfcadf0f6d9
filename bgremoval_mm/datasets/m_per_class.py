"""MPerClassBatchSampler: batches of so many photos of each of a few classes."""

from __future__ import annotations

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
        iterations: Batches in an epoch, in each process.
        small_classes: What to do with classes of fewer than `m` photos: ``'repeat'`` draws them
            with replacement, as Kobs and Hotho do, and the log names them; ``'error'`` refuses
            them.

    Raises:
        ArgumentError: If `m` is not a divisor of the batch size, the dataset has too few classes to
            fill a batch, or a class has fewer than `m` photos and `small_classes` is ``'error'``.

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
        iterations: int = 100,
        small_classes: str = 'repeat',
    ) -> None:
        for name, value in (('m', m), ('iterations', iterations)):
            if not isinstance(value, int) or value < 1:
                msg = f'`{name}` must be a whole number from 1, but got {value!r}'
                raise ArgumentError(msg)
        if batch_size % m:
            msg = f'`m` must divide the batch size, but got {m} and the batch size {batch_size}'
            raise ArgumentError(msg)
        self.sampler = sampler
        self.m = m
        self.iterations = iterations
        self.classes_in_batch = batch_size // m
        self.photos = _photos_by_class(sampler.dataset)
        if len(self.photos) < self.classes_in_batch:
            msg = (
                f'a batch of {batch_size} with {m} photos per class needs {self.classes_in_batch} '
                f'classes, but the dataset has {len(self.photos)}'
            )
            raise ArgumentError(msg)
        self._check_small_classes(one_of('small_classes', small_classes, ('repeat', 'error')))

    def _check_small_classes(self, small_classes: str) -> None:
        names = (getattr(self.sampler.dataset, 'metainfo', None) or {}).get('classes')
        small = [
            f'{names[label] if names else label} ({len(photos)})'
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


def _photos_by_class(dataset: Any) -> dict[int, list[int]]:
    """Return the indices of the photos of each class, in the order of the labels."""
    found: dict[int, list[int]] = {}
    for index in range(len(dataset)):
        found.setdefault(int(dataset.get_cat_ids(index)[0]), []).append(index)
    return dict(sorted(found.items()))
