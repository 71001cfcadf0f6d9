"""Pictures for the screen: of photos that were found, and of the query."""

from __future__ import annotations

import base64
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.removal import ImageError, read_image
from bgremoval_mm.serving.errors import RequestError

__all__ = ['as_address', 'read_thumbnail']

_SIDE = 400  # pixels of a thumbnail, its longer side: twice what the page gives it
_KEPT = 1000  # thumbnails in memory, of about 15 kB each


def read_thumbnail(path: Path) -> bytes:
    """Return a small JPEG of a photo, upright.

    Raises:
        RequestError: With status 410, if it is no longer there or no longer a readable image.
    """
    try:
        status = path.stat()
        return _thumbnail(path, status.st_mtime_ns, status.st_size)
    except (OSError, ImageError):
        # Where the photos lie, and what is wrong with them, is not told.
        title = 'This photo is no longer there, or can no longer be read'
        raise RequestError(410, 'photo_gone', title) from None


def as_address(pixels: np.ndarray, kind: str) -> str:
    """Return pixels, reduced to the size of a thumbnail, as a ``data:`` address.

    Args:
        pixels: uint8 of shape (H, W, 3), RGB, or (H, W).
        kind: ``jpeg`` or ``png``.
    """
    content = base64.b64encode(_encode(pixels, kind)).decode()
    return f'data:image/{kind};base64,{content}'


@lru_cache(maxsize=_KEPT)
def _thumbnail(path: Path, mtime_ns: int, size: int) -> bytes:
    """Return the same; a file that has changed has another time or size, and is read again."""
    return _encode(read_image(path).rgb, 'jpeg')


def _encode(pixels: np.ndarray, kind: str) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, kind, quality=85)
    return buffer.getvalue()
