"""The particulars of TIFF: pages, previews, and layouts that Pillow does not know."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from bgremoval_mm.removal.images.formats import RAW
from bgremoval_mm.removal.images.opening import ImageError, check_pixels, unread
from bgremoval_mm.removal.images.orientation import turn_back

__all__ = ['check_directory', 'is_misread', 'pages', 'read_unusual']

_NEW_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_ORIENTATION, _SAMPLES, _PLANES, _SUB_DIRECTORIES, _EXTRA_SAMPLES = 274, 277, 284, 330, 338
_SAMPLE_FORMAT, _ICC_PROFILE, _DNG_VERSION = 339, 34675, 50706
_COLOUR_FILTER_ARRAY = 32803
_GREY_AND_RGB = (0, 1, 2)  # what OpenCV reads at any depth; it takes CIELAB for RGB
_YCBCR_AND_CIELAB = (6, 8)
_SIGNED, _SEPARATE, _PREMULTIPLIED = 2, 2, 1
_SAMPLE_NAMES = {1: 'integer', 2: 'signed integer', 3: 'floating-point'}
_MAX_PAGES = 64  # A longer document is not searched for its largest page.


def pages(image: Image.Image, number: int) -> str:
    """Say that only the first of several pages is read, and which one is larger."""
    note = f'TIFF: the first of {number} pages was used'
    width, height = image.size
    largest = (width * height, 0, image.size)
    for page in range(1, min(number, _MAX_PAGES)):
        try:
            image.seek(page)
        except Exception:  # noqa: BLE001, a damaged page raises anything, and is not wanted
            break
        largest = max(largest, (image.width * image.height, -page, image.size))
    image.seek(0)
    _, page, size = largest
    return f'{note}; page {1 - page} is larger ({size[0]} x {size[1]})' if page else note


def check_directory(image: Image.Image) -> None:
    """Refuse what Pillow opens but does not read: camera RAW files, and signed bytes.

    Of a RAW file only the preview would be read, and signed bytes would be taken for unsigned ones.

    Args:
        image: An opened TIFF.

    Raises:
        ImageError: If it is one of these.
    """
    tags: Any = getattr(image, 'tag_v2', {})
    _check_tags(tags)
    if _SIGNED in tags.get(_SAMPLE_FORMAT, ()) and max(tags.get(_BITS, (1,))) == 8:
        msg = '8-bit integers (signed) have no agreed range: convert the file to 8 or 16 bits'
        raise ImageError(msg)


def is_misread(image: Image.Image) -> bool:
    """Return whether Pillow would read an opened TIFF wrongly, as it stores each channel by itself.

    Pillow takes uncompressed channels for 8 bits, whatever they have, and knows neither CIELAB,
    YCbCr nor premultiplied colours there.
    """
    tags: Any = getattr(image, 'tag_v2', {})
    if tags.get(_PLANES) != _SEPARATE:
        return False
    uncompressed = any(tile[0] == 'raw' for tile in getattr(image, 'tile', ()))
    deep = max(tags.get(_BITS, (1,))) > 8
    unknown = tags.get(_PHOTOMETRIC) in _YCBCR_AND_CIELAB
    return (uncompressed and deep) or unknown or _PREMULTIPLIED in tags.get(_EXTRA_SAMPLES, ())


def _check_tags(tags: Any) -> None:
    preview = int(tags.get(_NEW_SUBFILE_TYPE, 0)) & 1 and _SUB_DIRECTORIES in tags
    if preview or _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) == _COLOUR_FILTER_ARRAY:
        raise unread(RAW)


def read_unusual(
    content: bytes, max_pixels: int
) -> tuple[Image.Image, int, bytes | None, list[str]]:
    """Read a TIFF that Pillow cannot open, or misreads, as OpenCV reads it.

    Args:
        content: The whole file.
        max_pixels: Larger images are refused before they are decoded.

    Returns:
        The picture as it is stored, its orientation, its colour profile, and the notes on it.

    Raises:
        ImageError: If OpenCV cannot read it either, or would lose its transparency.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        file = io.BytesIO(content)
        is_big = b'+' in content[2:4]
        header = file.read(16 if is_big else 8)
        # Pillow knows big TIFFs of little-endian order only, by their mark.
        mark = b'II+\x00' if is_big else header[:4]
        tags: Any = ImageFileDirectory_v2(mark + header[4:], prefix=header[:2])
        file.seek(tags.next)
        tags.load(file)
        size = int(tags[_WIDTH]), int(tags[_HEIGHT])
        bits = tuple(tags.get(_BITS, (1,)))
        samples = int(tags.get(_SAMPLES, len(bits)))
        kinds = tuple(tags.get(_SAMPLE_FORMAT, (1,)))
    except Exception as err:
        msg = 'cannot be decoded: a damaged TIFF, whose directory is missing or broken'
        raise ImageError(msg) from err
    _check_tags(tags)
    check_pixels(size, max_pixels)
    layout = f'{samples} x {bits[0]} bits, {_SAMPLE_NAMES.get(kinds[0], "unknown")}'
    known = (
        max(bits) <= 16
        and set(kinds) == {1}
        and tags.get(_PHOTOMETRIC) in _GREY_AND_RGB
        and samples <= 4
        and not any(tags.get(_EXTRA_SAMPLES, ()))
    )
    seen = _by_opencv(content) if known else None
    if seen is None:
        msg = (
            f'TIFF of a layout that is not read, or damaged ({layout}): convert it to grey or RGB '
            'of 8 or 16 bits'
        )
        raise ImageError(msg)
    orientation = tags.get(_ORIENTATION, 1)
    orientation = orientation if orientation in range(1, 9) else 1
    stored = turn_back(Image.fromarray(seen), orientation)
    note = f'{max(bits)} bits were reduced to 8' if max(bits) > 8 else ''
    return stored, orientation, tags.get(_ICC_PROFILE), [note]


def _by_opencv(content: bytes) -> np.ndarray | None:
    import cv2

    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None
