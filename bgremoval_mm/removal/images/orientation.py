"""The orientation of images: reading it, and turning them upright."""

from __future__ import annotations

import struct

import numpy as np
from PIL import ExifTags, Image

__all__ = ['is_nearer', 'orientation_of', 'read_exif', 'turn', 'turn_back']

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BACK = {6: 8, 8: 6}  # the other orientations undo themselves


def orientation_of(image: Image.Image) -> int:
    """Return how the stored pixels of a picture lie, as EXIF counts it: 1 to 8, 1 is upright.

    Only the EXIF block counts (in a TIFF, the tag), as for OpenCV, with which OpenMMLab loads, and
    for browsers. What XMP packets or text chunks of a PNG say is not heeded, though Pillow would:
    mask and training image must be turned alike.

    AVIF and HEIC say it in the container instead: Pillow translates that into EXIF, and libheif
    has turned the pixels already, as libjxl has for JPEG XL.

    Args:
        image: An opened picture. A PNG whose EXIF stands behind the pixels must be loaded.
    """
    if image.format == 'TIFF':
        found = getattr(image, 'tag_v2', {}).get(ExifTags.Base.Orientation, 1)
    elif image.format == 'HEIF' or (image.format == 'JXL' and not getattr(image, 'jpeg', False)):
        found = 1
    else:
        found = read_exif(image.info.get('exif', b''))
    return found if found in _TURNS else 1


def read_exif(block: bytes) -> int:
    """Return the orientation of an EXIF block, 1 if it has none that can be found.

    Never raises: a block that breaks the rules elsewhere does not hide a photograph. As OpenCV
    does, it takes the first two bytes of the value, whatever type the entry claims to be.
    """
    block = block.removeprefix(b'Exif\x00\x00')
    order = {b'II*\x00': '<', b'MM\x00*': '>'}.get(block[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f'{order}I', block, 4)
        (entries,) = struct.unpack_from(f'{order}H', block, directory)
        for at in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, value = struct.unpack_from(f'{order}H6xH', block, at)
            if tag == ExifTags.Base.Orientation:
                return int(value)
    except struct.error:
        pass  # The block ends too early.
    return 1


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture upright; its metadata stay as they are."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def turn_back(image: Image.Image, orientation: int) -> Image.Image:
    """Return an upright picture as a file of that orientation stores it."""
    return turn(image, _BACK.get(orientation, orientation))


def is_nearer(image: np.ndarray, upright: np.ndarray, stored: np.ndarray) -> bool:
    """Tell whether a loaded image looks as much like its file turned upright as like the raw file.

    Args:
        image: Array of shape (H, W, 3), in any order of channels.
        upright: Array of that shape.
        stored: Array of that shape.
    """
    import cv2

    def small(pixels: np.ndarray) -> np.ndarray:
        grey = pixels.mean(-1, dtype=np.float32)
        return np.asarray(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA))

    def distance(pixels: np.ndarray) -> float:
        return float(np.abs(small(image) - small(pixels)).mean())

    return distance(upright) <= distance(stored)
