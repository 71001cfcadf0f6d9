#!/usr/bin/env python
"""Benchmark of the colours of soft edges: cut-outs on new backgrounds, compared with the truth.

No photo comes with the true colours of its foreground under its soft edge, so the truth is made.
The foreground is the inside of a person of CCP, at least four pixels within u2net's mask: real
colours, known at every pixel. Its alpha is drawn: a soft edge of 3 to 10 pixels with a wavy
outline ("soft"), or one torn into strands ("strands"), so it is known exactly, but it is no real
hair. It is put on a photo of background bank A, which gives the picture that is cut out. The
result is put on five other backgrounds (three of bank B, white, cyan), and so is the true
foreground. The error is their mean absolute difference, in levels of 255, where 0 < alpha < 1: once
with the true alpha as the mask, and once with u2net's mask of the picture (then within 5 pixels of
those pixels, because the mask misses the edge).

Prints medians over photos, the median ratio to `straight`, and the time that a cut-out takes.

    python benchmarks/edges.py data/ccp/photos data/background_bank
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rembg.bg import alpha_matting_cutout, decontaminate_cutout, naive_cutout, post_process

from bgremoval_mm.removal import BackgroundRemover, cut_out, read_image
from bgremoval_mm.removal.masks.backgrounds import resize_and_center_crop
from bgremoval_mm.removal.outputs.foreground import estimate_foreground
from bgremoval_mm.removal.outputs.matting import refine_mask

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]

GUARD = 4  # pixels between the edge of u2net's mask and the foreground that is used
NEAR = 5  # pixels around the true edge in which u2net's cut-outs are judged
CYAN = (0, 255, 255)


def _clean(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return cut_out(estimate_foreground(image, mask), mask)


def _matting(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return _clean(image, refine_mask(image, mask))


def _by_rembg(cut: Callable[..., Image.Image], smooth: bool = False, *options: int) -> Method:
    def method(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        mask = post_process(mask) if smooth else mask
        return np.asarray(cut(Image.fromarray(image), Image.fromarray(mask), *options))

    return method


_DEFAULTS = (240, 10, 10)  # rembg's thresholds and size of erosion
METHODS: dict[str, Method] = {
    'straight': cut_out,
    'clean': _clean,
    'clean --matting': _matting,
    'rembg': _by_rembg(naive_cutout),
    'rembg -dc': _by_rembg(decontaminate_cutout),
    'rembg -ppm': _by_rembg(naive_cutout, True),
    'rembg -a': _by_rembg(alpha_matting_cutout, False, *_DEFAULTS),
    'rembg -ppm -a': _by_rembg(alpha_matting_cutout, True, *_DEFAULTS),
}


def draw_alpha(mask: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Draw an alpha whose edge lies inside the foreground of a mask.

    Args:
        mask: uint8 array of shape (H, W).
        kind: ``'soft'`` or ``'strands'``.
        rng: Generator of the width and of the outline.

    Returns:
        uint8 array of shape (H, W).
    """
    inside = cv2.distanceTransform((mask > 250).astype(np.uint8), cv2.DIST_L2, 5) - GUARD
    width = rng.uniform(3, 10)
    noise = rng.standard_normal(mask.shape).astype(np.float32)
    if kind == 'soft':
        wavy = cv2.GaussianBlur(noise, (0, 0), 6)
        share = inside / width - np.abs(wavy / wavy.std()) / 2
    else:
        strands = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.8, sigmaY=4)
        share = inside / width - 1.5 - strands / strands.std()
    share = np.where(inside > 0, share, 0).clip(0, 1)
    return np.rint(255 * share * share * (3 - 2 * share)).astype(np.uint8)


def put_on(cutout: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return a straight-alpha RGBA cut-out on a background, as float."""
    share = cutout[..., 3:].astype(np.float64) / 255
    result: np.ndarray = share * cutout[..., :3] + (1 - share) * background
    return result


def error(cut: np.ndarray, true: np.ndarray, others: list[np.ndarray], at: np.ndarray) -> float:
    """Return the mean absolute difference on the other backgrounds, over the pixels `at`."""
    return statistics.mean(
        float(np.abs(put_on(cut, each) - put_on(true, each))[at].mean()) for each in others
    )


def shrink(path: Path, side: int) -> np.ndarray:
    """Read a photo with that longer side, in pixels."""
    image = read_image(path).rgb
    scale = side / max(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def read_bank(root: Path, name: str) -> list[Path]:
    """Return the photos of a bank."""
    lines = (root / f'bank_{name}.txt').read_text().split()
    return [root / 'images' / Path(line).name for line in lines]


def main() -> None:
    """Cut out every picture by every method and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', type=Path)
    parser.add_argument('banks', type=Path, help='folder of bank_a.txt and bank_b.txt')
    parser.add_argument('--images', type=int, default=24, help='evenly chosen (default: 24)')
    parser.add_argument('--side', type=int, default=480, help='longer side (default: 480)')
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=list(METHODS))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    remover = BackgroundRemover(args.model, 'onnxruntime', 'cpu', num_threads=1)
    files = sorted(args.photos.glob('*.jpg'))
    files = files[:: max(1, len(files) // args.images)][: args.images]
    banks = {name: read_bank(args.banks, name) for name in 'ab'}
    errors: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for index, path in enumerate(files):
        rng = np.random.default_rng(index)
        photo = shrink(path, args.side)
        size = (photo.shape[1], photo.shape[0])
        (inner,) = remover([photo])
        behind = resize_and_center_crop(read_image(rng.choice(banks['a'])).rgb, size)
        others = [
            *(resize_and_center_crop(read_image(each).rgb, size)
              for each in rng.choice(banks['b'], 3, replace=False)),
            np.full_like(photo, 255),
            np.full_like(photo, CYAN),
        ]  # fmt: skip
        for kind in ('soft', 'strands'):
            alpha = draw_alpha(inner, kind, rng)
            true = np.dstack([photo, alpha])
            picture = np.rint(put_on(true, behind)).astype(np.uint8)
            edge = (alpha > 0) & (alpha < 255)
            near = cv2.dilate(edge.astype(np.uint8), np.ones((2 * NEAR + 1,) * 2)) > 0
            for source, mask, at in (
                ('true', alpha, edge),
                (args.model, remover([picture])[0], near),
            ):
                for name in args.methods:
                    started = time.perf_counter()
                    cut = METHODS[name](picture, mask)
                    seconds[name].append(time.perf_counter() - started)
                    errors[source, kind, name].append(error(cut, true, others, at))
    print(f'{len(files)} photos with a longer side of {args.side} pixels')
    for (source, kind, name), values in errors.items():
        ratios = [a / b for a, b in zip(values, errors[source, kind, 'straight'], strict=True)]
        print(
            f'{source:6} mask, {kind:8} {name:15} error {statistics.median(values):6.2f}, '
            f'ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})'
        )
    for name in args.methods:
        print(f'{name:15} {1000 * statistics.median(seconds[name]):7.1f} ms a cut-out')


if __name__ == '__main__':
    main()
