"""Photographs read small."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from bgremoval_mm.removal import ImageError, read_image
from bgremoval_mm.removal.images import FORMATS

__all__ = ['thumbnail']


def thumbnail(path: Path, side: int) -> np.ndarray:
    """Read a photograph small and upright, as :func:`read_image` reads it large.

    JPEG is decoded at a fraction of its size, which is many times faster for large photographs.

    Args:
        path: The file.
        side: The longer side of the result is this or less, in pixels.

    Returns:
        uint8 array of shape (H, W, 3), RGB.

    Raises:
        ImageError: If the file is no image that :func:`read_image` reads, or damaged.
        OSError: If the file cannot be read.
    """
    with path.open('rb') as file:
        try:
            picture = _draft(file, side)
        except Image.UnidentifiedImageError:
            picture = None  # read_image says what is wrong with it
        except Exception as err:
            # PIL's decoders raise whatever a damaged file leads them to.
            msg = f'cannot be decoded: {err}'
            raise ImageError(msg) from err
    if picture is None:
        picture = Image.fromarray(read_image(path).rgb)
    picture.thumbnail((side, side))
    return np.asarray(picture)


def _draft(file: IO[bytes], side: int) -> Image.Image | None:
    """A JPEG decoded at a fraction of its size, still ``side`` or longer; None if it is none."""
    with Image.open(file, formats=FORMATS) as image:
        if image.format not in ('JPEG', 'MPO'):
            return None
        image.draft(None, (side, side))
        return ImageOps.exif_transpose(image).convert('RGB')
