"""From a photograph to the network's input, exactly as rembg computes it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bgremoval_mm.removal.zoo.catalogue import ModelSpec

__all__ = ['preprocess']


def preprocess(image: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Return the network input of one image.

    The image is resized to a square (LANCZOS, aspect not kept), divided by its *own* maximum and
    normalised (rembg/sessions/base.py).

    Args:
        image: uint8 array of shape (H, W, 3), RGB.
        spec: The model, whose size, mean and deviation are taken.

    Returns:
        float32 array of shape (3, size, size).

    Raises:
        TypeError: If the image is no such array.
    """
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or image.size == 0
    ):
        got = (
            f'{image.dtype} of shape {image.shape}'
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        msg = f'each image must be a uint8 array of shape (H, W, 3), RGB, but got {got}'
        raise TypeError(msg)
    side = spec.size
    small = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
    pixels = np.asarray(small)
    # A pixel has only 256 values: a table in float64 gives rembg's figures to the bit
    # at a tenth of the cost of its float64 image.
    levels = np.arange(256) / max(pixels.max(), 1e-6)
    out = np.empty((3, side, side), np.float32)
    for channel in range(3):
        table = (levels - spec.mean[channel]) / spec.std[channel]
        out[channel] = table.astype(np.float32)[pixels[..., channel]]
    return out
