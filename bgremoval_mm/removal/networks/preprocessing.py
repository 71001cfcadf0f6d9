"""From a photograph to the network's input, exactly as rembg computes it."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from bgremoval_mm.removal.zoo.catalogue import ModelSpec

__all__ = ['input_tables', 'normalise', 'preprocess', 'shrink']


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
    return normalise(shrink(image, spec), spec)


def shrink(image: np.ndarray | Image.Image, spec: ModelSpec) -> np.ndarray:
    """Return the image as large as the network takes it.

    Args:
        image: uint8 array of shape (H, W, 3), RGB, or a picture of Pillow's mode RGB.
        spec: The model, whose size is taken.

    Returns:
        uint8 array of shape (size, size, 3).

    Raises:
        TypeError: If the image is no such array.
    """
    side = spec.size
    small = _picture(image).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small)


def normalise(pixels: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Return the network input of an image that `shrink` has returned.

    Args:
        pixels: uint8 array of shape (size, size, 3).
        spec: The model, whose mean and deviation are taken.

    Returns:
        float32 array of shape (3, size, size).
    """
    out = np.empty((3, *pixels.shape[:2]), np.float32)
    tables = _input_table(int(pixels.max()), spec)
    for plane, table, made in zip(cv2.split(pixels), tables, out, strict=True):
        cv2.LUT(plane, table, made)
    return out


def input_tables(spec: ModelSpec) -> np.ndarray:
    """Return what `normalise` makes of every pixel of every image.

    Looked up on any device, it gives the inputs to the bit: there is nothing left to be rounded.

    Returns:
        float32 array of shape (256, 3, 256), by the image's maximum, the channel and the level.
    """
    return np.stack([_input_table(top, spec) for top in range(256)])


def _input_table(top: int, spec: ModelSpec) -> np.ndarray:
    """Return the inputs of the 256 levels in an image of this maximum, float32 (3, 256)."""
    # A pixel has only 256 values: a table in float64 gives rembg's figures to the bit
    # at a tenth of the cost of its float64 image.
    levels = np.arange(256) / max(top, 1e-6)
    table = [(levels - mean) / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    return np.stack(table).astype(np.float32)


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
