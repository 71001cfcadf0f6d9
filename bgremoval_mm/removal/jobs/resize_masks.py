"""resize_masks: a store's masks at the size of their images, resized once, not at each use."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from bgremoval_mm.removal.io.claims import ClaimedError
from bgremoval_mm.removal.io.manifest import latest
from bgremoval_mm.removal.jobs.apart import TargetError
from bgremoval_mm.removal.outputs.mask_store import MaskStore
from bgremoval_mm.removal.outputs.png import PLAIN_PIXELS
from bgremoval_mm.removal.zoo.catalogue import ModelSpec
from bgremoval_mm.utils.parallel import for_each

__all__ = ['ResizeSummary', 'resize_masks']


@dataclass
class ResizeSummary:
    """What `resize_masks` did.

    Attributes:
        store: The store.
        done: Number of masks that were resized.
        skipped: Number of masks that had the size of their images before.
        large: Number of masks that stay as they are, as their images have more than
            ``PLAIN_PIXELS``: masks of that size take as long to read as to resize.
        failed: Reason by path of the image, for each mask that cannot be read or written.
    """

    store: MaskStore
    done: int = 0
    skipped: int = 0
    large: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def resize_masks(
    mask_dir: str | Path,
    model: str | Path | ModelSpec = 'u2net',
    *,
    workers: int | None = None,
    progress: bool = True,
) -> ResizeSummary:
    """Bring the masks of a store to the size of their images.

    What is made of the masks stays the same, to the bit, as they are resized by the filter that
    would be used later (LANCZOS). They take more room, and a training reads one in a part of the
    time (docs/performance.md). Each file is replaced as a whole; a run that was stopped goes on
    when called again, and does what was added to the store meanwhile.

    Args:
        mask_dir: Root of a MaskStore, a path or an address.
        model: Whose masks, as for MaskStore; those of every precision.
        workers: Number of processes; None is one a core.
        progress: Show a progress bar, if there is a terminal.

    Returns:
        What was done.

    Raises:
        FileNotFoundError: If it is not the root of a store with masks of this model.
        TargetError: If a job is making masks there.
    """
    store = MaskStore(mask_dir, model)
    if not store.manifest.exists():
        msg = (
            f'{mask_dir} must be the root of a mask store with masks of {store.spec.name}, but '
            f'there is no {store.manifest.address}'
        )
        raise FileNotFoundError(msg)
    try:
        with store.storage.claim('masks of the size of their images'):
            return _resize_all(store, workers, progress)
    except ClaimedError as err:
        msg = f'{err}: wait until it has ended'
        raise TargetError(msg) from err


def _resize_all(store: MaskStore, workers: int | None, progress: bool) -> ResizeSummary:
    # A catalogue's figures would fill the memory.
    records = latest(replace(each, quality=None, source=None) for each in store.manifest.records())
    made = [each for each in records.values() if each.status == 'ok']
    images = sorted(each.path for each in made if math.prod(each.size or ()) <= PLAIN_PIXELS)
    store.sweep(images)
    jobs = [(image, image) for image in images]
    written, failed = for_each(store.resize_to_source, jobs, 'resizing masks', workers, progress)
    done = sum(written.values())
    return ResizeSummary(store, done, len(written) - done, len(made) - len(images), failed)
