"""Pillow's plugins for the known kinds of picture, and a limit in pixels of our own."""

from __future__ import annotations

import contextlib
import importlib
import io
import struct
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from PIL import Image

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.formats import Kind

__all__ = ['DamagedError', 'ImageError', 'check_pixels', 'open_picture', 'pixel_limit', 'unread']


class ImageError(BgremovalError, ValueError):
    """A file cannot be read as a photograph; the message is the reason."""


class DamagedError(ImageError):
    """A file has a picture's signature, but nothing opens it."""


# Our limit, in this thread (or task) only, while a picture of ours is being read.
_LIMIT: ContextVar[int | None] = ContextVar('limit in pixels', default=None)
_installing = threading.Lock()


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse an image of that width and height, unless it is within the limit."""
    width, height = size
    if width * height > max_pixels:
        msg = f'{width} x {height} pixels are more than the limit of {max_pixels:,} (max_pixels)'
        raise ImageError(msg)


@contextlib.contextmanager
def pixel_limit(max_pixels: int) -> Iterator[None]:
    """Replace Pillow's limit by another one, for what this thread reads within.

    Pillow refuses images of more than twice ``Image.MAX_IMAGE_PIXELS``, a global that other
    threads of the user's program may rely on. So it stays as it is: its check is given a door
    that is open only within this context, and only once a limit above Pillow's is asked for.
    """
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        _open_door()
    token = _LIMIT.set(max_pixels)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def _open_door() -> None:
    with _installing:
        pillows: Any = getattr(Image, '_decompression_bomb_check', None)
        if pillows is None or hasattr(pillows, 'limit_of_bgremoval_mm'):
            return

        def check(size: tuple[int, int], **options: Any) -> None:
            limit = _LIMIT.get()
            if limit is None:
                pillows(size, **options)
            else:
                check_pixels(size, limit)

        check.limit_of_bgremoval_mm = True  # type: ignore[attr-defined]
        Image._decompression_bomb_check = check


def unread(kind: Kind) -> ImageError:
    """Return the error for a picture of a kind that nothing here reads."""
    return ImageError(f'not an image of a kind that is read, but {kind.name}: {kind.remedy}')


def open_picture(content: bytes, kind: Kind, max_pixels: int) -> Image.Image:
    """Open a picture without decoding its pixels.

    Args:
        content: The whole file.
        kind: Its kind.
        max_pixels: Larger ones are refused.

    Raises:
        DamagedError: If the file is not what its signature says.
        ImageError: If nothing reads that kind, or the picture is too large.
    """
    if kind.opener == 'JXL':
        # libjxl's plugin decodes as it opens.
        check_pixels(_jxl_size(content), max_pixels)
    plugin = plugin_of(kind)
    try:
        image = _open(plugin, content, kind)
    except DamagedError:
        if kind.opener != 'AVIF' or b'Exif' not in content:
            raise
        # libavif refuses a whole photo for an odd EXIF block, of which AVIF needs nothing: its
        # type is made one that libavif passes over.
        image = _open(plugin, content.replace(b'Exif', b'skip'), kind)
    check_pixels(image.size, max_pixels)
    return image


def _open(plugin: Any, content: bytes, kind: Kind) -> Image.Image:
    try:
        image: Image.Image = plugin(io.BytesIO(content))
    except ImageError:
        raise
    except Image.DecompressionBombError as err:
        limit = _LIMIT.get()
        msg = f'more pixels than the limit{f" of {limit:,}" if limit else ""} (max_pixels): {err}'
        raise ImageError(msg) from err
    except (SyntaxError, IndexError, TypeError, struct.error) as err:
        msg = (
            f'not an image: the file begins with {content[:16]!r}, as {kind.name} files do, but '
            f'goes on otherwise ({err})'
        )
        raise DamagedError(msg) from err
    except Exception as err:
        # Pillow's plugins raise whatever a damaged file leads them to: OSError, ValueError,
        # EOFError, RuntimeError, MemoryError...
        msg = f'cannot be decoded: a damaged {kind.name} ({err or type(err).__name__})'
        raise DamagedError(msg) from err
    return image


def plugin_of(kind: Kind) -> Any:
    """Return the class that reads a kind.

    It is called itself and not by ``Image.open``, which keeps the reason of a failure for itself;
    and for JPEG not by its factory, which takes previews for further frames.
    """
    if not kind.opener:
        raise unread(kind)
    if kind.package:
        return _optional_plugin(kind)
    if kind.opener == 'JPEG':
        from PIL import JpegImagePlugin

        return JpegImagePlugin.JpegImageFile
    if kind.opener not in Image.OPEN:
        Image.preinit()
    if kind.opener not in Image.OPEN:
        Image.init()
    if kind.opener not in Image.OPEN:
        msg = f'{kind.name} files are not read by this Pillow: `pip install --upgrade pillow`'
        raise ImageError(msg)
    return Image.OPEN[kind.opener][0]


def _optional_plugin(kind: Kind) -> Any:
    module, name = {
        'HEIF': ('pi_heif', 'HeifImageFile'),
        'JXL': ('pillow_jxl.JpegXLImagePlugin', 'JXLImageFile'),
    }[kind.opener]
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        msg = (
            f'{kind.name} files are read by {kind.package}, which is not installed: '
            f'pip install {kind.requirement}'
        )
        raise ImageError(msg) from None


def _jxl_size(content: bytes) -> tuple[int, int]:
    """Return width and height out of a JPEG XL codestream's SizeHeader (ISO/IEC 18181-1)."""
    begin = 0
    if not content.startswith(b'\xff\x0a'):
        begin = content.find(b'\xff\x0a', max(content.find(b'jxlc'), content.find(b'jxlp'), 0))
    if begin < 0 or len(content) < begin + 12:
        msg = 'cannot be decoded: a damaged JPEG XL, without pixels'
        raise ImageError(msg)
    bits = int.from_bytes(content[begin + 2 : begin + 12], 'little')

    def take(number: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << number) - 1), bits >> number
        return value

    def length(small: int) -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = length(small)
    ratio = take(3)
    if ratio == 0:
        return length(small), height
    wide, high = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * wide // high, height
