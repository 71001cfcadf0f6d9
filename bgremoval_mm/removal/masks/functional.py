"""Arithmetic on masks: pure functions of arrays.

A *mask* is a uint8 array of shape (H, W); 255 is foreground, 0 background, and what lies
between is the share of the pixel that belongs to the foreground, in steps of 1/255.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from bgremoval_mm.removal.masks.lanczos import enlarge
from bgremoval_mm.removal.options.output import check_fill as check_fill

RESIZE_METHODS = ('lanczos', 'linear')


def stretch(saliency: np.ndarray) -> tuple[np.ndarray, bool]:
    """Stretch one saliency map to the mask's full range, as rembg does.

    ``uint8((s - min) / (max - min) * 255)``, truncated (rembg/sessions/u2net.py). A map
    of one single value has no foreground: its mask is all zero, where rembg divides by 0.

    Args:
        saliency: Float array of shape (h, w).

    Returns:
        The mask, uint8 of shape (h, w), and whether the map was constant (or not finite).
    """
    low, high = float(saliency.min()), float(saliency.max())
    if not np.isfinite(high - low) or high <= low:
        return np.zeros(saliency.shape, np.uint8), True
    stretched = (saliency - saliency.min()) / (saliency.max() - saliency.min())
    return (stretched.clip(0, 1) * 255).astype(np.uint8), False


def resize(mask: np.ndarray, size: tuple[int, int], method: str = 'lanczos') -> np.ndarray:
    """Resize a mask.

    Args:
        mask: uint8 array of shape (h, w).
        size: (width, height) of the result, in pixels.
        method: ``'lanczos'``: the filter that rembg uses (PIL's, on 8 bits). ``'linear'``:
            OpenCV's, a fraction of the time; how much it changes is in docs/performance.md.

    Returns:
        uint8 array of shape (height, width).
    """
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    if method == 'linear':
        return cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
    enlarged = enlarge(mask, size)
    if enlarged is not None:
        return enlarged
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.LANCZOS))


def binarise(mask: np.ndarray, threshold: float) -> np.ndarray:
    """Return the hard mask: 255 where the foreground share exceeds the threshold, else 0.

    Args:
        mask: uint8 array of shape (H, W).
        threshold: Fraction in (0, 1).
    """
    return np.where(mask > threshold * 255, np.uint8(255), np.uint8(0))


def compose(image: np.ndarray, mask: np.ndarray, fill: int | Sequence[float] = 0) -> np.ndarray:
    """Put the foreground on a plain colour: ``m/255 * image + (1 - m/255) * fill``.

    uint8 results are rounded to the nearest level. The image is not changed.

    Args:
        image: uint8 or float32 array of shape (H, W, 3), values in [0, 255].
        mask: uint8 array of shape (H, W).
        fill: One value for all channels, or one per channel in the image's channel order.

    Returns:
        Array of the image's shape and dtype.

    Raises:
        ValueError: If mask and image differ in height or width.
    """
    if image.shape[:2] != mask.shape:
        msg = f"`mask` must have the image's shape {image.shape[:2]}, but got {mask.shape}"
        raise ValueError(msg)
    # 8-bit products are exact in float32, and 255 is odd, so no result lies half-way
    # between two levels: OpenCV's rounding is the nearest one.
    weights = cv2.merge([mask, mask, mask])
    if not np.any(fill):
        return cv2.multiply(image, weights, scale=1 / 255, dtype=_cv_depth(image))
    colour = np.broadcast_to(np.asarray(fill, np.float32), 3)
    shares = np.arange(256, dtype=np.float32).reshape(256, 1)
    background = cv2.LUT(weights, ((255 - shares) * colour / 255).reshape(1, 256, 3))
    foreground = cv2.multiply(image, weights, scale=1 / 255, dtype=cv2.CV_32F)
    return cv2.add(foreground, background, dtype=_cv_depth(image))


def cut_out(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the foreground with the mask as its transparency.

    Straight alpha: where something is to be seen, the colours are the image's own, so that soft
    edges do not darken. Where nothing is, they are 0: what was removed cannot be restored from
    the file, and the file is a third as large.

    Args:
        image: uint8 array of shape (H, W, 3).
        mask: uint8 array of shape (H, W).

    Returns:
        uint8 array of shape (H, W, 4), in the image's channel order.
    """
    visible = cv2.bitwise_and(image, image, mask=mask)  # where the mask is not 0
    return cv2.merge([*cv2.split(visible), mask])


def _cv_depth(image: np.ndarray) -> int:
    return cv2.CV_8U if image.dtype == np.uint8 else cv2.CV_32F


def multiply_alpha(mask: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the product of two uint8 masks of one shape, as fractions: ``mask * alpha / 255``."""
    return cv2.multiply(mask, alpha, scale=1 / 255)


def bounding_box(mask: np.ndarray, threshold: float = 0.5) -> tuple[int, int, int, int] | None:
    """Return the smallest box around the foreground, or None where there is none.

    Args:
        mask: uint8 array of shape (H, W).
        threshold: A pixel is foreground if its share exceeds this fraction.

    Returns:
        (x0, y0, x1, y1) in pixels; x1 and y1 lie just outside.
    """
    foreground = mask > threshold * 255
    columns, rows = np.flatnonzero(foreground.any(axis=0)), np.flatnonzero(foreground.any(axis=1))
    if len(columns) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
