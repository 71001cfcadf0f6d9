"""Reading images: by content, upright, as RGB, with a clear reason where that fails."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from bgremoval_mm.removal.images import colour, tiff_layouts
from bgremoval_mm.removal.images.formats import (
    HEAD,
    IMAGE_SUFFIXES,
    JPEG,
    TIFF,
    Kind,
    kind_of,
    suffix_of,
)
from bgremoval_mm.removal.images.jpeg_damage import jpeg_damage
from bgremoval_mm.removal.images.opening import (
    DamagedError,
    ImageError,
    check_pixels,
    open_picture,
    pixel_limit,
    plugin_of,
)
from bgremoval_mm.removal.images.orientation import orientation_of, turn
from bgremoval_mm.removal.images.pixels import layout_of, to_8_bits
from bgremoval_mm.removal.images.regular_files import (
    check_bytes,
    check_regular,
    open_now,
    read_bytes,
)
from bgremoval_mm.removal.images.source import SourceImage, SourceStamp
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS

__all__ = [
    'ImageError',
    'SourceImage',
    'SourceStamp',
    'check_bytes',
    'check_header',
    'decode_image',
    'looks_like_image',
    'read_bytes',
    'read_image',
    'read_stored',
]


def looks_like_image(path: Path) -> bool:
    """Return whether a file is meant to be a picture: by its suffix, or else by its first bytes.

    A picture of a kind that is not read counts, and so does a file with a picture's suffix and
    other content: both are to be reported. A special file (a pipe, a device) is
    never opened, and counts by its suffix only.
    """
    if suffix_of(path.name) in IMAGE_SUFFIXES:
        return True
    if not stat.S_ISREG(path.stat().st_mode):
        return False
    with open_now(path) as file:
        kind = kind_of(file.read(HEAD))
    return kind is not None and kind.is_picture


def read_image(path: Path, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> SourceImage:
    """Read a photograph, whatever its name.

    JPEG (CMYK too), PNG (16 bits, palette, transparency too), WebP, BMP, TIFF, AVIF, JPEG 2000,
    PNM, TGA, HEIC (with pi-heif), JPEG XL (with pillow-jxl-plugin), and the first frame of a GIF
    or another animation. The EXIF orientation is undone; 16 bits are reduced to 8.

    Args:
        path: The file.
        max_pixels: Larger images are refused before they are decoded.
        max_bytes: Larger files are refused before they are read.

    Raises:
        ImageError: If the file is not such an image, damaged, or too large, or not a regular file.
        OSError: If the file cannot be read.
    """
    content, mtime_ns = read_bytes(path, max_bytes)
    return decode_image(content, mtime_ns, max_pixels, path.name)


def check_header(path: Path) -> None:
    """Refuse a file that is not a readable picture, by its first bytes; nothing is decoded.

    Raises:
        ImageError: If it is not a picture, of a kind that is not read, or damaged at its beginning.
        OSError: If the file cannot be read.
    """
    check_regular(path.stat().st_mode)
    with open_now(path) as file:
        head = file.read(HEAD)
        kind = kind_of(head, path.name)
        if kind is None:
            msg = (
                f'not an image: the file begins with {head[:16]!r}' if head else 'the file is empty'
            )
            raise ImageError(msg)
        plugin = plugin_of(kind)
        if kind.package:
            return  # its plugin decodes as it opens
        file.seek(0)
        try:
            plugin(file)
        except Exception as err:
            # Pillow's plugins raise whatever a damaged file leads them to.
            msg = f'cannot be opened: a damaged {kind.name} ({err or type(err).__name__})'
            raise ImageError(msg) from err


def read_stored(path: Path) -> np.ndarray:
    """Return a photograph's pixels as RGB as they are stored, before any orientation is undone.

    Raises:
        ImageError: As `read_image`.
        OSError: If the file cannot be read.
    """
    content, _ = read_bytes(path)
    with pixel_limit(MAX_PIXELS), _image_errors():
        return np.asarray(_decode(content, MAX_PIXELS, path.name).image.convert('RGB'))


def decode_image(
    content: bytes, mtime_ns: int = 0, max_pixels: int = MAX_PIXELS, name: str = ''
) -> SourceImage:
    """Decode a file's content as `read_image` does.

    Args:
        content: The whole file.
        mtime_ns: Its time of modification in nanoseconds, 0 if that is not known.
        max_pixels: Larger images are refused before they are decoded.
        name: Name of the file, without which TGA and most camera RAW files cannot be recognised.

    Raises:
        ImageError: If it is not such an image, damaged, or too large.
    """
    with pixel_limit(max_pixels), _image_errors():
        decoded = _decode(content, max_pixels, name)
        return _to_source(decoded, content, SourceStamp.of(content, mtime_ns))


@contextmanager
def _image_errors() -> Iterator[None]:
    """Turn whatever a damaged file leads a decoder to raise into an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except Exception as err:
        msg = f'cannot be decoded: {err or type(err).__name__}'
        raise ImageError(msg) from err


@dataclass(frozen=True)
class _Decoded:
    """A picture as it is stored, with 8 bits per channel, and the notes on it."""

    image: Image.Image
    orientation: int
    profile: bytes | None
    notes: list[str]


def _decode(content: bytes, max_pixels: int, name: str) -> _Decoded:
    if not content:
        msg = 'the file is empty'
        raise ImageError(msg)
    kind = kind_of(content[:HEAD], name)
    if kind is None:
        msg = f'not an image: the file begins with {content[:16]!r}'
        raise ImageError(msg)
    try:
        image = open_picture(content, kind, max_pixels)
    except DamagedError:
        if kind is not TIFF:
            raise
        return _Decoded(*tiff_layouts.read_unusual(content, max_pixels))
    with image:
        return _load(image, kind, content, max_pixels)


def _load(image: Image.Image, kind: Kind, content: bytes, max_pixels: int) -> _Decoded:
    notes = [_frames(image)]
    layout = layout_of(image, content)
    if kind is TIFF:
        tiff_layouts.check_directory(image)
        if tiff_layouts.is_misread(image):
            stored, turned, profile, said = tiff_layouts.read_unusual(content, max_pixels)
            return _Decoded(stored, turned, profile, [*notes, *said])
        orientation = orientation_of(image)
        # Pillow turns TIFFs itself as it loads them, by XMP too: say that they are upright.
        exif = image.getexif()
        exif.clear()
        exif[ExifTags.Base.Orientation] = 1
        image.load()
        if orientation != 1:
            image = image.copy()  # of the stored size, which Pillow had swapped beforehand
    else:
        image.load()
        orientation = orientation_of(image)
    check_pixels(image.size, max_pixels)
    if kind is JPEG:
        notes.append(jpeg_damage(content, image))
    profile = image.info.get('icc_profile')
    image, said = to_8_bits(image, layout, content)
    return _Decoded(image, orientation, profile, [*notes, *said])


def _frames(image: Image.Image) -> str:
    """Return the note on a file of several pictures, or nothing."""
    number = getattr(image, 'n_frames', 1)
    if number < 2:
        return ''
    if image.format == 'TIFF':
        return tiff_layouts.pages(image, number)
    if image.format == 'HEIF':
        return f'the main one of {number} pictures was used'
    return f'animation: the first of {number} frames was used'


def _to_source(decoded: _Decoded, content: bytes, stamp: SourceStamp) -> SourceImage:
    picture = turn(decoded.image, decoded.orientation)
    alpha = None
    if picture.has_transparency_data:
        layered = picture.convert('RGBA')
        alpha = layered.getchannel('A')
        is_grey = picture.mode in ('1', 'L', 'LA')
        picture = layered.getchannel('R') if is_grey else layered.convert('RGB')
    picture, profile, said = colour.in_rgb(picture, decoded.profile)
    if alpha is not None:
        picture.putalpha(alpha)
        white = Image.new('RGBA', picture.size, 'white')
        picture = Image.alpha_composite(white, picture).convert('RGB')
    converted = bool(decoded.profile) and profile is None
    levels = None if alpha is None else np.asarray(alpha)
    return SourceImage(
        pixels=picture,
        size=picture.size,
        alpha=None if levels is None or levels.min() == 255 else levels,
        orientation=decoded.orientation,
        icc_profile=profile,
        note='; '.join(filter(None, [*decoded.notes, said])),
        stamp=stamp,
        colour=() if converted else colour.colour_chunks(content, profile),
    )
