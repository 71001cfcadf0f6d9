"""The colours of the foreground alone, where a soft edge mixes them with the old background's."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ['estimate_foreground']

# Sides of the windows, as shares of the longer side. These and the exponent were chosen on ten
# photos that benchmarks/edges.py does not take, and on synthetic edges of several widths.
_WINDOWS = (0.1, 0.03, 0.0125)
_EPSILON = 1e-5


def estimate_foreground(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Estimate the foreground's own colours from a photo and its mask.

    A pixel of the photo is ``I = a F + (1 - a) B`` with the mask's share a; wanted is F. Blur
    fusion (Forte and Pitie, Approximate Fast Foreground Colour Estimation, ICIP 2021) takes for F
    and B the means around the pixel, weighted by a and 1 - a, and corrects F by what their mixture
    leaves unexplained: ``F + a (I - a F - (1 - a) B)``. This is repeated with narrower windows,
    each time from the result. The first means are of the photo itself; to keep mixed pixels out of
    them, their weights are ``a ** 4`` and ``(1 - a) ** 4``.

    Args:
        image: uint8 array of shape (H, W, 3).
        mask: uint8 array of shape (H, W).

    Returns:
        uint8 array of shape (H, W, 3): the estimate where 0 < mask < 255, elsewhere the photo.
    """
    soft = cv2.inRange(mask, 1, 254)
    if not cv2.countNonZero(soft):
        return image
    share = cv2.merge([mask] * 3).astype(np.float32)
    share *= 1 / 255
    rest = 1 - share
    photo = image.astype(np.float32)
    foreground = background = photo
    weights = (cv2.pow(share, 4), cv2.pow(rest, 4))
    for part in _WINDOWS:
        side = max(3, round(part * max(mask.shape)))
        foreground = _weighted_mean(foreground, weights[0], side)
        background = _weighted_mean(background, weights[1], side)
        weights = (share, rest)
        unexplained = photo - cv2.multiply(foreground, share)
        unexplained -= cv2.multiply(background, rest)
        cv2.accumulateProduct(unexplained, share, foreground)
        np.clip(foreground, 0, 255, out=foreground)
    result = image.copy()
    cv2.copyTo(cv2.convertScaleAbs(foreground), soft, result)  # rounds
    return result


def _weighted_mean(values: np.ndarray, weights: np.ndarray, side: int) -> np.ndarray:
    """Return the weighted mean in a square window around each pixel."""
    total = cv2.blur(cv2.multiply(values, weights), (side, side))
    return cv2.divide(total, cv2.blur(weights, (side, side)) + _EPSILON)
