#!/usr/bin/env python
"""Benchmark of what a stored mask costs a training sample, step by step.

    python benchmarks/mask_steps.py data/clothing10 data/masks/clothing10 --precision bf16

For each photo in turn: it is read as image loaders do, its mask read from the store and compared
with the photo's file, enlarged by this package, by Pillow, and by OpenCV with `resize='linear'`, in
turn, and the photo composed. So each step finds the caches as a sample leaves them. Printed are
milliseconds of CPU of one thread, medians over the photos, and the ratio of enlarging to Pillow's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from bgremoval_mm.removal import MaskStore, compose
from bgremoval_mm.removal.masks import resize
from bgremoval_mm.utils.allocator import FOR_NETWORKS, keep_freed_memory
from bgremoval_mm.utils.sampling import evenly_spaced

Milliseconds = dict[str, list[float]]


def by_pillow(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge as rembg does."""
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.LANCZOS))


ENLARGERS: dict[str, Callable[[np.ndarray, tuple[int, int]], np.ndarray]] = {
    'enlarging, ours': resize,
    'enlarging, Pillow': by_pillow,
    'enlarging, linear': lambda mask, size: resize(mask, size, 'linear'),
}


def timed(found: Milliseconds, step: str, run: Callable[..., Any], *args: Any) -> Any:
    """Run a step and note its milliseconds of CPU."""
    started = time.process_time()
    result = run(*args)
    found.setdefault(step, []).append(1000 * (time.process_time() - started))
    return result


def main() -> None:
    """Time every step and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', type=Path, help='folder of photos')
    parser.add_argument('masks', type=Path, help='mask store of these photos')
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--precision', default='fp32', help='that the masks were made in')
    parser.add_argument('--photos', type=int, default=300, help='evenly chosen (default: 300)')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--default-malloc', action='store_true', help='without keep_freed_memory(), for comparison'
    )
    args = parser.parse_args()
    if not args.default_malloc:  # as in tools/train.py, whose workers are forked
        keep_freed_memory(FOR_NETWORKS)
    cv2.setNumThreads(0)  # as in a worker
    store = MaskStore(args.masks, args.model, args.precision)
    paths = sorted(path for path in args.source.rglob('*.jpg') if path.is_file())
    names = [path.relative_to(args.source).as_posix() for path in paths]
    names = evenly_spaced([name for name in names if store.path(name).is_file()], args.photos)
    if not names:
        parser.error(f'{args.masks} has no masks of {args.source}')
    found: Milliseconds = {}
    for number in range(-1, args.rounds):  # the first round fills the caches and does not count
        if number == 0:
            found.clear()
        for index, name in enumerate(names):
            measure(found, store, args.source / name, name, (number + index) % len(ENLARGERS))
    print(f'{len(names)} photos of {args.source}, {args.rounds} rounds; ms of CPU, medians')
    for step, times in found.items():
        print(f'  {step:28} {statistics.median(times):6.2f}')
    ratios = [a / b for a, b in zip(*(found[name] for name in list(ENLARGERS)[:2]), strict=True)]
    print(f'enlarging takes {statistics.median(ratios):.0%} of the time of Pillow')


def measure(found: Milliseconds, store: MaskStore, path: Path, name: str, turn: int) -> None:
    """Time the steps of one sample; `turn` says which way of enlarging comes first."""
    photo = timed(found, 'reading the photo', cv2.imread, str(path))
    stored = timed(found, 'reading the mask', store.get, name)
    timed(found, 'comparing with the photo', store.is_current, stored, path)
    ways = list(ENLARGERS)
    for way in ways[turn:] + ways[:turn]:
        mask = timed(found, way, ENLARGERS[way], stored.mask, stored.size)
    if mask.shape == photo.shape[:2]:  # else the photo is stored turned
        timed(found, 'composing', compose, photo, mask)


if __name__ == '__main__':
    main()
