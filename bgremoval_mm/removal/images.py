"""Reading photographs: by content, upright, as RGB, with a clear reason where that fails."""

from __future__ import annotations

import builtins
import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS

# What a catalogue of photographs holds. PIL opens many more formats, some of them obscure
# enough to be a risk with files from strangers.
FORMATS = ('JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF', 'GIF')
SUFFIXES = frozenset(('.jpg', '.jpeg', '.jpe', '.png', '.webp', '.bmp', '.tif', '.tiff', '.gif'))

_SIGNATURES = (b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'BM', b'II*\x00', b'MM\x00*', b'GIF8')


class ImageError(BgremovalError, ValueError):
    """A file cannot be read as a photograph; the message is the reason."""


@dataclass(frozen=True, slots=True)
class SourceStamp:
    """Which bytes something was computed from.

    Attributes:
        sha256: Hash of the file's content.
        bytes: Size of the file.
        mtime_ns: Its time of modification in nanoseconds.
    """

    sha256: str
    bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, content: builtins.bytes, mtime_ns: int) -> SourceStamp:
        """The stamp of a file's content."""
        return cls(hashlib.sha256(content).hexdigest(), len(content), mtime_ns)

    def matches(self, path: Path, always_hash: bool = False) -> bool:
        """Whether the file still has this content.

        Equal size and time of modification are taken for equal content, as git and rsync
        do; where the time differs (a copied data set), the content is hashed.
        """
        status = path.stat()
        return self.is_of(status.st_size, status.st_mtime_ns, path.read_bytes, always_hash)

    def is_of(
        self,
        size: int,
        mtime_ns: int,
        read: Callable[[], builtins.bytes],
        always_hash: bool = False,
    ) -> bool:
        """As `matches`, for a file of that size and time, which `read` reads if need be."""
        if size != self.bytes:
            return False
        if mtime_ns == self.mtime_ns and not always_hash:
            return True
        return hashlib.sha256(read()).hexdigest() == self.sha256


@dataclass(frozen=True)
class SourceImage:
    """A photograph as a viewer shows it.

    Attributes:
        rgb: uint8 array of shape (H, W, 3), upright, transparent parts laid on white.
        size: (width, height) in pixels.
        alpha: uint8 array of shape (H, W), or None if every pixel is opaque.
        orientation: EXIF orientation that was undone, 1 to 8; 1 is upright.
        icc_profile: Embedded colour profile that `rgb` is to be read with, or None.
        note: What a user should know, e.g. that an animation was reduced to one frame.
        stamp: Which bytes this is.
    """

    rgb: np.ndarray
    size: tuple[int, int]
    alpha: np.ndarray | None
    orientation: int
    icc_profile: bytes | None
    note: str
    stamp: SourceStamp

    def without_pixels(self) -> SourceImage:
        """The same without its arrays, for when only the rest is still needed."""
        return replace(self, rgb=np.empty((0, 0, 3), np.uint8), alpha=None)


def looks_like_image(path: Path) -> bool:
    """Whether a file is meant to be an image: by its first bytes, or else by its suffix.

    A file with an image's suffix and other content counts, so that it is reported as broken.
    """
    if path.suffix.lower() in SUFFIXES:
        return True
    with path.open('rb') as file:
        head = file.read(12)
    return head.startswith(_SIGNATURES) or (head[:4] == b'RIFF' and head[8:] == b'WEBP')


def read_image(path: Path, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> SourceImage:
    """Read a photograph, whatever its name.

    JPEG (CMYK too), PNG (16 bits, palette, transparency too), WebP, BMP, TIFF and the
    first frame of a GIF. The EXIF orientation is undone; 16 bits are scaled to 8.

    Args:
        path: The file.
        max_pixels: Larger images are refused before they are decoded.
        max_bytes: Larger files are refused before they are read.

    Raises:
        ImageError: If the file is no such image, damaged, or too large.
        OSError: If the file cannot be read.
    """
    with path.open('rb') as file:
        status = os.fstat(file.fileno())
        check_bytes(status.st_size, max_bytes)
        content = file.read()
    return decode_image(content, status.st_mtime_ns, max_pixels)


def decode_image(content: bytes, mtime_ns: int = 0, max_pixels: int = MAX_PIXELS) -> SourceImage:
    """As `read_image`, from a file's content.

    Args:
        content: The whole file.
        mtime_ns: Its time of modification in nanoseconds, 0 if it is no file.
        max_pixels: Larger images are refused before they are decoded.

    Raises:
        ImageError: If it is no such image, damaged, or too large.
    """
    if not content:
        msg = 'the file is empty'
        raise ImageError(msg)
    stamp = SourceStamp.of(content, mtime_ns)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_pixels(image, max_pixels)
            return _to_source(image, stamp)
    except Image.UnidentifiedImageError:
        msg = f'not an image: the file begins with {content[:16]!r}'
        raise ImageError(msg) from None
    except ImageError:
        raise
    except Exception as err:
        # PIL's decoders raise whatever a damaged file leads them to: OSError, SyntaxError,
        # struct.error, ValueError, EOFError, DecompressionBombError...
        msg = f'cannot be decoded: {err}'
        raise ImageError(msg) from err


def check_bytes(size: int, max_bytes: int) -> None:
    """Refuse a file of that many bytes, unless it is within the limit."""
    if size > max_bytes:
        msg = f'{size:,} bytes are more than the limit of {max_bytes:,} (max_bytes)'
        raise ImageError(msg)


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        msg = f'{width} x {height} pixels are more than the limit of {max_pixels:,} (max_pixels)'
        raise ImageError(msg)


def _to_source(image: Image.Image, stamp: SourceStamp) -> SourceImage:
    # A camera's JPEG may hold a preview as a second frame (MPO): that is no animation.
    frames = getattr(image, 'n_frames', 1) if image.format != 'MPO' else 1
    icc_profile = image.info.get('icc_profile') if image.mode in ('RGB', 'RGBA', 'P') else None
    orientation = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    image.load()
    upright = _to_8_bits(ImageOps.exif_transpose(image))
    alpha = None
    if upright.has_transparency_data:
        layered = upright.convert('RGBA')
        alpha = np.asarray(layered.getchannel('A'))
        white = Image.new('RGBA', layered.size, 'white')
        upright = Image.alpha_composite(white, layered)
    return SourceImage(
        rgb=np.asarray(upright.convert('RGB')),
        size=upright.size,
        alpha=None if alpha is None or alpha.min() == 255 else alpha,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        icc_profile=icc_profile,
        note=f'animation: the first of {frames} frames was used' if frames > 1 else '',
        stamp=stamp,
    )


def _to_8_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey; PIL's own conversion would clip it at 255."""
    if not image.mode.startswith('I'):
        return image
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        msg = f'pixel values from {levels.min()} to {levels.max()} are not those of a photograph'
        raise ImageError(msg)
    return Image.fromarray((levels >> 8).astype(np.uint8))
