"""Random numbers of transforms, which methods under mmcv's ``@cache_randomness`` draw."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ['each_of', 'random_numbers_kept', 'random_states']


@contextmanager
def random_numbers_kept(transforms: Iterable[Any]) -> Iterator[None]:
    """Let methods under ``@cache_randomness`` return what they returned first, for a while.

    mmcv's ``cache_random_params`` does that, too, but refuses mmpretrain's RandomResizedCrop: it
    shares the list of such methods with a subclass, and each of its calls is counted twice.
    """
    cached = [each for each in each_of(transforms) if hasattr(each, '_methods_with_randomness')]
    for each in cached:
        each._cache_enabled = True
    try:
        yield
    finally:
        for each in cached:
            each._cache_enabled = False
            vars(each).pop('_cache', None)


def each_of(transforms: Iterable[Any]) -> Iterator[Any]:
    """Yield transforms and those inside them, as inside RandomApply."""
    for each in transforms:
        yield each
        if isinstance(each, Iterable):
            yield from each_of(each)


def random_states() -> tuple[object, ...]:
    """Return what changes when Python, numpy or torch draws a random number."""
    state: Any = np.random.get_state()  # noqa: NPY002
    # The rest tells whether numpy keeps one normal number back: it draws two at a time.
    _, keys, *rest = state
    return random.getstate(), bytes(keys), *rest, bytes(torch.get_rng_state().numpy())
