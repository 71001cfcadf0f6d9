"""Images that are read at a small size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.removal.images.colour import in_rgb
from bgremoval_mm.removal.images.formats import HEAD, JPEG, kind_of
from bgremoval_mm.removal.images.opening import ImageError, open_picture, pixel_limit
from bgremoval_mm.removal.images.orientation import orientation_of, turn
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.images.regular_files import read_bytes
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS

__all__ = ['thumbnail']


def thumbnail(
    path: Path, side: int, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
) -> np.ndarray:
    """Read a photograph small and upright, as :func:`read_image` reads it large.

    JPEG is decoded at a fraction of its size, which is many times faster for large photographs.

    Args:
        path: The file.
        side: The longer side of the result is this or less, in pixels.
        max_pixels: Larger images are refused before they are decoded.
        max_bytes: Larger files are refused before they are read.

    Returns:
        uint8 array of shape (H, W, 3), RGB.

    Raises:
        ImageError: If :func:`read_image` does not read such a file, or it is damaged.
        OSError: If the file cannot be read.
    """
    content, mtime_ns = read_bytes(path, max_bytes)
    if kind_of(content[:HEAD], path.name) is JPEG:
        try:
            picture = _draft(content, side, max_pixels)
        except ImageError:
            raise
        except Exception as err:
            # PIL's decoders raise whatever a damaged file leads them to.
            msg = f'cannot be decoded: {err or type(err).__name__}'
            raise ImageError(msg) from err
    else:
        picture = Image.fromarray(decode_image(content, mtime_ns, max_pixels, path.name).rgb)
    picture.thumbnail((side, side))
    return np.asarray(picture)


def _draft(content: bytes, side: int, max_pixels: int) -> Image.Image:
    """Return a JPEG decoded at a fraction of its size, still ``side`` or longer."""
    with pixel_limit(max_pixels), open_picture(content, JPEG, max_pixels) as image:
        image.draft(None, (side, side))
        image.load()
        picture, *_ = in_rgb(turn(image, orientation_of(image)), image.info.get('icc_profile'))
        return picture
