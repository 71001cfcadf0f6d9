"""The figures of a training set's masks: of a folder of masks, or of a manifest of pairs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bgremoval_mm.monitoring.drift import Reference
from bgremoval_mm.pipeline.measurements import figures_of
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.images.reading import read_image
from bgremoval_mm.removal.masks.quality import quality
from bgremoval_mm.removal.pairs.inspection import binary_mask
from bgremoval_mm.removal.pairs.manifest import read_manifest
from bgremoval_mm.utils.parallel import for_each
from bgremoval_mm.utils.text import printable

__all__ = ['measure_masks']

# A person's mask is sure everywhere, a network's is not.
_OF_NETWORKS = ('confidence', 'undecided')
_SUFFIXES = frozenset({'.png', '.webp', '.tif', '.tiff', '.bmp', '.jpg', '.jpeg'})


def measure_masks(
    source: Path, workers: int | None = None, progress: bool = True
) -> tuple[Reference, dict[str, str]]:
    """Measure the masks of a training set.

    Args:
        source: A folder of masks that the network has made, at any depth; or a manifest of
            `bgremoval pairs check`, whose masks of the split ``train`` are by people: without the
            figures that only tell how sure a network is.
        workers: Number of processes; None is one a core.
        progress: Show a progress bar, if there is a terminal.

    Returns:
        The figures, and reasons by mask of those that could not be read.

    Raises:
        ArgumentError: If there is no mask, or it is neither a folder nor a manifest.
        BgremovalError: If none can be read.
    """
    is_manifest = source.is_file()
    if is_manifest:
        pairs = [pair for pair in read_manifest(source) if pair.split == 'train']
        paths: Iterable[Path] = (source.parent / pair.mask for pair in pairs)
    elif source.is_dir():
        paths = sorted(path for path in source.rglob('*') if path.suffix.lower() in _SUFFIXES)
    else:
        msg = f'`source` must be a folder of masks or a manifest, but got {printable(source)}'
        raise ArgumentError(msg)
    jobs = [(str(path), (path, is_manifest)) for path in paths]
    if not jobs:
        what = 'pair of the split train' if is_manifest else 'picture'
        msg = f'`source` must have masks, but {printable(source)} has no {what}'
        raise ArgumentError(msg)
    found, failures = for_each(_measure, jobs, 'masks', workers, progress)
    if not found:
        name, reason = next(iter(failures.items()))
        msg = f'no mask can be measured, such as {printable(name)}: {reason}'
        raise BgremovalError(msg)
    rows = list(found.values())
    figures = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Reference(figures, len(rows), str(source)), failures


def _measure(job: tuple[Path, bool]) -> dict[str, float]:
    path, by_people = job
    levels = np.ascontiguousarray(read_image(path).rgb[..., 0])
    if not by_people:
        return figures_of(quality(levels))
    figures = figures_of(quality(binary_mask(levels)[0].astype(np.uint8) * 255))
    return {name: value for name, value in figures.items() if name not in _OF_NETWORKS}
