"""Contrast of a photo along the outline of its mask: where it is low, the mask is a guess."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ['weak_edge']

_SIDE = 320  # pixels: the longer side at which photo and mask are compared, that of U2-Net
_BAND = 9  # pixels of it: how far inside and outside of the outline colours are looked at
_WINDOW = 15  # pixels of it, over which colours are averaged along the outline
_ALIKE = 5.0  # CIE 1976 colour difference; just noticeable is about 2.3


def weak_edge(image: np.ndarray, mask: np.ndarray) -> float:
    """Return the share of a mask's outline at which the photo hardly changes its colour.

    Colours are averaged inside and outside of the outline, one pixel away from it, and compared by
    their distance in CIELAB (CIE 1976). At the image's edge there is no outline.

    Args:
        image: uint8 array of shape (H, W, 3), RGB.
        mask: uint8 array of shape (h, w), at any resolution; foreground is what is above one half.

    Returns:
        A fraction in [0, 1]; 1 if there is no outline at all.
    """
    height, width = mask.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    photo = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    foreground = (small > 127).astype(np.uint8)
    inside, is_inside = _local_mean(lab, _band(foreground))
    outside, is_outside = _local_mean(lab, _band(1 - foreground))
    # Beyond the image counts as foreground, so that its edge is none of the outline.
    outline = foreground > cv2.erode(foreground, np.ones((3, 3), np.uint8), borderValue=1)
    outline &= is_inside & is_outside
    if not outline.any():
        return 1.0
    distance = np.linalg.norm((inside - outside)[outline], axis=-1)
    return float((distance < _ALIKE).mean())


def _band(region: np.ndarray) -> np.ndarray:
    """Return the pixels of a region that are near its edge, but do not touch it."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_BAND, _BAND))
    core = cv2.erode(region, np.ones((3, 3), np.uint8), borderValue=1)
    band: np.ndarray = core - cv2.erode(core, disc, borderValue=1)
    return band


def _local_mean(values: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the chosen pixels around each pixel, and whether there are any."""
    window = (_WINDOW, _WINDOW)
    weights = chosen.astype(np.float32)
    share = cv2.blur(weights, window)
    sums = cv2.blur(values * weights[..., None], window)
    return sums / np.maximum(share, 1e-6)[..., None], share > 1e-4
