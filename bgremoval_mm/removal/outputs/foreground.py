"""The colours of the foreground alone, where a soft edge mixes them with the old background's."""

from __future__ import annotations

from dataclasses import dataclass

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
    share = mask.astype(np.float32)
    share *= 1 / 255
    rest = 1 - share
    windows = _windows(share, rest)
    # One channel after another, in arrays that stay: new pages of memory take as long as the sums.
    planes = [_estimate(plane, share, rest, windows) for plane in cv2.split(image)]
    result = image.copy()
    cv2.copyTo(cv2.merge(planes), soft, result)
    return result


@dataclass(frozen=True)
class _Weights:
    """Weights of the pixels, and their mean in a square window around each, as float32."""

    each: np.ndarray
    mean: np.ndarray
    side: int

    def average(self, values: np.ndarray) -> None:
        """Replace values by their weighted mean in the window."""
        cv2.multiply(values, self.each, dst=values)
        cv2.blur(values, (self.side, self.side), dst=values)
        cv2.divide(values, self.mean, dst=values)


def _windows(share: np.ndarray, rest: np.ndarray) -> list[tuple[_Weights, _Weights]]:
    """Return the foreground's and the background's weights for each window."""
    found = []
    weights = (cv2.pow(share, 4), cv2.pow(rest, 4))
    for part in _WINDOWS:
        side = max(3, round(part * max(share.shape)))
        foreground, background = (
            _Weights(each, cv2.blur(each, (side, side)) + _EPSILON, side) for each in weights
        )
        found.append((foreground, background))
        weights = (share, rest)
    return found


def _estimate(
    plane: np.ndarray,
    share: np.ndarray,
    rest: np.ndarray,
    windows: list[tuple[_Weights, _Weights]],
) -> np.ndarray:
    """Return the foreground's levels in one channel of a photo, uint8 of shape (H, W)."""
    photo = plane.astype(np.float32)
    foreground, background = photo.copy(), photo.copy()
    unexplained, mixed = np.empty_like(photo), np.empty_like(photo)
    for inside, outside in windows:
        inside.average(foreground)
        outside.average(background)
        cv2.subtract(photo, cv2.multiply(foreground, share, dst=mixed), dst=unexplained)
        cv2.subtract(unexplained, cv2.multiply(background, rest, dst=mixed), dst=unexplained)
        cv2.accumulateProduct(unexplained, share, foreground)
        np.clip(foreground, 0, 255, out=foreground)
    return cv2.convertScaleAbs(foreground)  # rounds
