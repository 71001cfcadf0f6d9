"""Other backgrounds for a photo: pure functions of images and masks.

Images are arrays of shape (H, W, 3) with values in [0, 255]; masks are uint8 of shape (H, W), 255
is foreground (see ``bgremoval_mm.removal.masks.functional``). The soft edge is kept: results are
``m * foreground + (1 - m) * background`` with m = mask / 255.
"""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ['blend', 'blur_background', 'fill_foreground', 'resize_and_center_crop']

_STRIP = 32  # rows that are blended at a time
_WORKING_SIDE = 160  # pixels of the longer side at which holes are filled
_GROW = 0.02  # of the working side: a rim of the foreground that the mask missed
_BLUR = 0.04  # of the longer side: standard deviation of the blurred background
_BLUR_SIGMA = 8  # pixels of that on the copy that is blurred


def blend(foreground: np.ndarray, background: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Put a foreground before a background.

    Args:
        foreground: Array of shape (H, W, 3).
        background: Array of the same shape.
        mask: uint8 array of shape (H, W).

    Returns:
        Array of the foreground's shape and dtype; uint8 is rounded.
    """
    if not foreground.dtype == background.dtype == np.uint8:
        share = mask[..., None].astype(np.float32) / 255
        mixed: np.ndarray = share * foreground + (1 - share) * background
        if foreground.dtype == np.uint8:
            mixed = np.rint(mixed)
        return mixed.astype(foreground.dtype, copy=False)
    result = np.empty(foreground.shape, np.uint8)  # in rows, whatever order a view is in
    # 255 times the sum fits into 16 bits, exactly, and is never half-way between two levels. Strip
    # by strip it stays in the processor's cache, which halves the time.
    for top in range(0, len(mask), _STRIP):
        rows = slice(top, top + _STRIP)
        shares = cv2.merge([mask[rows]] * 3)
        total = np.multiply(foreground[rows], shares, dtype=np.uint16)
        total += np.multiply(background[rows], 255 - shares, dtype=np.uint16)
        cv2.convertScaleAbs(total, dst=result[rows], alpha=1 / 255)
    return result


def blur_background(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Blur the background, as a lens does, without the foreground's colours running into it.

    The blurred background is ``G(image * (1 - m)) / G(1 - m)`` with a Gaussian G (normalised
    convolution, Knutsson and Westin, CVPR 1993), whose standard deviation is 4 % of the longer
    side. Far from any background, the mean of all of it is used.

    Large photos are blurred on a copy that is reduced until the standard deviation is about eight
    pixels, and enlarged again: the time would grow with the standard deviation otherwise. The
    difference is a tenth of a level of 255 on average, and a few levels at most.
    """
    height, width = mask.shape
    sigma = _BLUR * max(height, width)
    scale = min(1.0, _BLUR_SIGMA / sigma)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    share = 1 - mask.astype(np.float32) / 255
    weighted = cv2.merge([image.astype(np.float32) * share[..., None], share])
    small = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(
        small, (0, 0), sigmaX=sigma * size[0] / width, sigmaY=sigma * size[1] / height
    )
    weights = small[..., 3:]
    total = share.sum()
    mean = weighted[..., :3].sum(axis=(0, 1)) / total if total else image.mean((0, 1))
    background = np.where(weights > 1e-3, small[..., :3] / np.maximum(weights, 1e-3), mean)
    background = cv2.resize(background.astype(np.float32), (width, height))
    if image.dtype == np.uint8:
        background = _to_uint8(background)
    return blend(image, background, mask)


def fill_foreground(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the background alone: the foreground is filled from around it.

    Telea's inpainting on a copy of at most 160 pixels, enlarged and blurred in. It carries colours
    on, not structure: a filled region looks smooth. That is meant: a black silhouette, the obvious
    fill, would still show the foreground's outline to the network.

    Returns:
        Array of the image's shape and dtype.
    """
    height, width = mask.shape
    scale = min(1.0, _WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(_to_uint8(image), size, interpolation=cv2.INTER_AREA)
    reach = 2 * max(1, round(_GROW * max(size))) + 1
    foreground = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 8
    hole = cv2.dilate(foreground.astype(np.uint8), np.ones((reach, reach), np.uint8))
    if hole.all():  # nothing to fill from
        filled = np.broadcast_to(small.mean((0, 1)).astype(np.uint8), small.shape)
    else:
        filled = cv2.inpaint(small, hole, 5, cv2.INPAINT_TELEA)
    # A soft rim outside the hole, so that it does not show as an outline.
    rim = cv2.GaussianBlur(hole * np.float32(255), (0, 0), max(1.0, reach / 2))
    region = np.maximum(rim, hole * np.float32(255)).round().astype(np.uint8)
    region = cv2.resize(region, (width, height), interpolation=cv2.INTER_LINEAR)
    large = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return blend(large.astype(image.dtype), image, region)


def resize_and_center_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a picture to cover a size, and crop its middle.

    Args:
        image: Array of shape (h, w, 3).
        size: (width, height).

    Returns:
        Array of shape (height, width, 3).
    """
    height, width = image.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    scaled = (max(size[0], round(width * scale)), max(size[1], round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    large = cv2.resize(image, scaled, interpolation=method)
    left, top = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return large[top : top + size[1], left : left + size[0]]


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return image if image.dtype == np.uint8 else np.rint(image).clip(0, 255).astype(np.uint8)
