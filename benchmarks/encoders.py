#!/usr/bin/env python
"""Benchmark of image encoders, by time of one core and by size: why png.py and cutouts.py do so.

Our own PNG encoder is timed with ISA-L and without it, as where there is no wheel of it.

python benchmarks/encoders.py data/ccp/photos data/masks/ccp --img-root data/ccp
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from PIL import Image

from bgremoval_mm.removal import MaskStore, compose, cut_out, read_image
from bgremoval_mm.removal.outputs import png


def ours(pixels: np.ndarray) -> int:
    """Encode with our own encoder and return the size in bytes."""
    return len(png.encode_png(pixels))


def ours_by_zlib(pixels: np.ndarray) -> int:
    """Encode in the same way without ISA-L."""
    with mock.patch.object(png, '_CODEC', zlib):
        return ours(pixels)


def by_pillow(file_format: str, **options: object) -> Callable[[np.ndarray], int]:
    """Return a function that encodes with Pillow and returns the size in bytes."""

    def encode(pixels: np.ndarray) -> int:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, file_format, **options)
        return buffer.tell()

    return encode


def by_opencv(*options: int) -> Callable[[np.ndarray], int]:
    """Return a function that encodes as PNG with OpenCV and returns the size in bytes."""

    def encode(pixels: np.ndarray) -> int:
        if pixels.ndim == 3:
            code = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
            pixels = cv2.cvtColor(pixels, code)
        return len(cv2.imencode('.png', pixels, list(options))[1])

    return encode


LEVEL, STRATEGY = cv2.IMWRITE_PNG_COMPRESSION, cv2.IMWRITE_PNG_STRATEGY
ENCODERS: dict[str, Callable[[np.ndarray], int]] = {
    'PNG, ours': ours,
    'PNG, ours, zlib': ours_by_zlib,
    'PNG, Pillow, level 1': by_pillow('PNG', compress_level=1),
    'PNG, Pillow, level 3': by_pillow('PNG', compress_level=3),
    'PNG, Pillow, level 6': by_pillow('PNG', compress_level=6),
    'PNG, OpenCV, level 1': by_opencv(LEVEL, 1),
    'PNG, OpenCV, level 1, RLE': by_opencv(LEVEL, 1, STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    'WebP, lossless, 0, 0': by_pillow('WEBP', lossless=True, quality=0, method=0),
    'WebP, lossless, 20, 1': by_pillow('WEBP', lossless=True, quality=20, method=1),
    'WebP, 90, 2': by_pillow('WEBP', quality=90, method=2),
    'JPEG, 95, 4:2:0': by_pillow('JPEG', quality=95, subsampling=2),
    'JPEG, 95, 4:4:4': by_pillow('JPEG', quality=95, subsampling=0),
}


def main() -> None:
    """Time every encoder and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path)
    parser.add_argument('masks', type=Path)
    parser.add_argument('--img-root', type=Path, help='SRC of the masks (default: PHOTOS)')
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--images', type=int, default=12)
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    store = MaskStore(args.masks, args.model)
    files = sorted(path for path in args.photos.rglob('*') if path.is_file())
    files = files[:: max(1, len(files) // args.images)][: args.images]
    kinds: dict[str, list[np.ndarray]] = {
        'rgba, colours kept': [], 'rgba': [], 'rgb': [], 'mask': [],
    }  # fmt: skip
    for path in files:
        stored = store.get(os.path.relpath(path, args.img_root or args.photos))
        assert stored is not None, f'no mask for {path}'
        image, mask = read_image(path).rgb, stored.full_size()
        kinds['rgba, colours kept'].append(np.dstack([image, mask]))
        kinds['rgba'].append(cut_out(image, mask))
        kinds['rgb'].append(compose(image, mask))
        kinds['mask'].append(mask)
    height, width = kinds['rgb'][0].shape[:2]
    print(f'{len(files)} photos, the first of {width} x {height} pixels')
    for kind, pictures in kinds.items():
        for name, encode in ENCODERS.items():
            if name.startswith('JPEG') and kind != 'rgb':
                continue
            seconds, sizes = [], []
            for _ in range(args.rounds):
                for pixels in pictures:
                    started = time.thread_time()
                    sizes.append(encode(pixels))
                    seconds.append(time.thread_time() - started)
            print(
                f'{kind:20} {name:26} {1000 * statistics.median(seconds):6.1f} ms '
                f'{statistics.median(sizes) / 1024:6.0f} KiB'
            )


if __name__ == '__main__':
    main()
