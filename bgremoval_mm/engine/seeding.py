"""Random numbers that depend on the run's seed and on a count, and on nothing that was before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from mmengine.dataset import worker_init_fn
from mmengine.dist import get_rank
from mmengine.runner import set_random_seed
from torch.utils.data import DataLoader

__all__ = ['mixed_seed', 'seed_all']


def mixed_seed(seed: int, count: int) -> int:
    """Return a seed in [0, 2^31) for one epoch or one repeat, mixed from a run's seed and it."""
    return int(np.random.SeedSequence([seed, count]).generate_state(1)[0]) >> 1


def seed_all(seed: int, loader: DataLoader[Any], diff_rank_seed: bool = False) -> None:
    """Seed the generators of this process, and of the workers that a loader is about to start.

    Args:
        seed: In [0, 2^31).
        loader: Its workers are seeded by `seed`, their number and that of this process, unless it
            has none or keeps them from epoch to epoch. A ``worker_init_fn`` of the config is called
            behind that.
        diff_rank_seed: Whether this process adds its number to its own seed.
    """
    set_random_seed(seed, diff_rank_seed=diff_rank_seed)
    if loader.num_workers and not loader.persistent_workers:
        loader.worker_init_fn = partial(
            _init_worker,
            num_workers=loader.num_workers,
            rank=get_rank(),
            seed=seed,
            own=_own_init_fn(loader),
        )


def _own_init_fn(loader: DataLoader[Any]) -> Callable[[int], None] | None:
    """Return the function that the config gives a loader, whoever has put it behind the seeding."""
    found: Any = loader.worker_init_fn
    if isinstance(found, partial) and found.func is _init_worker:
        return found.keywords['own']  # type: ignore[no-any-return]
    is_usual = isinstance(found, partial) and found.func is worker_init_fn
    return None if is_usual else found


def _init_worker(
    worker: int, num_workers: int, rank: int, seed: int, own: Callable[[int], None] | None
) -> None:
    worker_init_fn(worker, num_workers, rank, seed)
    if own is not None:
        own(worker)
