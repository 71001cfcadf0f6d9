"""Label maps, and lists of them, on disk."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from bgremoval_mm.utils.atomic import write_atomically

# EXIF orientations that swap height and width.
_QUARTER_TURNS = (5, 6, 7, 8)


def write_label_map(path: Path, labels: np.ndarray) -> None:
    """Write a grey PNG whose values are class indices, atomically.

    Args:
        path: The file; its folder must exist.
        labels: uint8 of shape (H, W).
    """
    buffer = io.BytesIO()
    Image.fromarray(labels).save(buffer, 'PNG')
    write_atomically(path, buffer.getvalue())


def is_label_map(path: Path, height: int, width: int) -> bool:
    """Tell, by its head alone, whether a file is a grey PNG of that size."""
    try:
        with Image.open(path) as image:
            return image.mode == 'L' and image.size == (width, height)
    except OSError:
        return False


def image_size(path: Path) -> tuple[int, int]:
    """Return height and width in pixels, as a viewer shows a photograph.

    Raises:
        OSError: If it is not an image.
    """
    with Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
    return (width, height) if turned else (height, width)


def write_list(path: Path, names: Iterable[str]) -> None:
    """Write names, one per line. Datasets read the list, so it is written last."""
    write_atomically(path, ''.join(f'{name}\n' for name in names).encode())
