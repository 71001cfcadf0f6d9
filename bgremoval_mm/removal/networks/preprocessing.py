"""From a photograph to the network's input, exactly as rembg computes it."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from bgremoval_mm.removal.zoo.catalogue import ModelSpec

__all__ = ['preprocess']


def preprocess(image: np.ndarray | Image.Image, spec: ModelSpec) -> np.ndarray:
    """Return the network input of one image.

    The image is resized to a square (LANCZOS, aspect not kept), divided by its *own* maximum and
    normalised (rembg/sessions/base.py).

    Args:
        image: uint8 array of shape (H, W, 3), RGB, or a picture of Pillow's mode RGB.
        spec: The model, whose size, mean and deviation are taken.

    Returns:
        float32 array of shape (3, size, size).

    Raises:
        TypeError: If the image is no such array.
    """
    picture = _picture(image)
    side = spec.size
    small = picture.resize((side, side), Image.Resampling.LANCZOS)
    pixels = np.asarray(small)
    # A pixel has only 256 values: a table in float64 gives rembg's figures to the bit
    # at a tenth of the cost of its float64 image.
    levels = np.arange(256) / max(pixels.max(), 1e-6)
    out = np.empty((3, side, side), np.float32)
    for channel, plane in enumerate(cv2.split(pixels)):
        table = (levels - spec.mean[channel]) / spec.std[channel]
        cv2.LUT(plane, table.astype(np.float32), out[channel])
    return out


def _picture(image: object) -> Image.Image:
    """Return an image as Pillow's picture; raises a TypeError if it is no RGB image."""
    if isinstance(image, Image.Image):
        if image.mode == 'RGB':
            return image
        got = f'a picture of mode {image.mode}'
    elif not isinstance(image, np.ndarray):
        got = type(image).__name__
    elif image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        return Image.fromarray(image)
    else:
        got = f'{image.dtype} of shape {image.shape}'
    msg = f'each image must be a uint8 array of shape (H, W, 3), RGB, but got {got}'
    raise TypeError(msg)
