"""Conversion of any pixels to 8 bits per channel, without losing transparency or guessing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from bgremoval_mm.removal.images.opening import ImageError

__all__ = ['Layout', 'layout_of', 'to_8_bits']

_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
_WHITE_IS_ZERO = 0
# Grey PNGs of few bits: Pillow scales the pixels to 8 bits, but not the transparent level.
_PNG_SCALES = {'L;2': 85, 'L;4': 17}
_ADVICE = 'convert the file to 8 or 16 bits'


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file stores its pixels.

    Attributes:
        bits: Bits per channel.
        white_is_zero: Whether Pillow hands on a grey TIFF's levels as the negative that they are.
        raw: Pillow's name of the layout.
    """

    bits: int
    white_is_zero: bool
    raw: str


def layout_of(image: Image.Image, content: bytes) -> Layout:
    """Return the layout of an opened picture, before its pixels are loaded."""
    tiles = getattr(image, 'tile', None)
    args = tiles[0].args if tiles else ''
    raw = next((arg for arg in (args if isinstance(args, tuple) else (args,)) if arg), '')
    raw = raw if isinstance(raw, str) else ''
    bits, white_is_zero = 16 if image.mode.startswith('I') else 8, False
    if image.format == 'TIFF':
        tags = getattr(image, 'tag_v2', {})
        bits = max(tags.get(_BITS_PER_SAMPLE, (1,)))
        white_is_zero = bits > 8 and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    elif image.format == 'PNG':
        bits = content[24]  # of the chunk IHDR, which comes first
    elif image.format == 'PPM':
        levels = args[-1] if isinstance(args, tuple) and isinstance(args[-1], int) else 0
        bits = 16 if ';16' in raw or levels > 255 else 8
    elif image.format == 'AVIF':
        at = content.find(b'pixi')  # a box: name, version, number of channels, their bits
        bits = content[at + 9] if 0 <= at < len(content) - 9 else 8
    elif image.format == 'JPEG2000':
        at = content.find(b'\xff\x51')  # the marker of the sizes, with the first channel's bits
        bits = (content[at + 40] & 127) + 1 if 0 <= at < len(content) - 40 else 8
    elif image.format == 'HEIF':
        bits = int(image.info.get('bit_depth', 8))
    return Layout(bits, white_is_zero, raw)


def to_8_bits(image: Image.Image, layout: Layout, content: bytes) -> tuple[Image.Image, list[str]]:
    """Return a picture with 8 bits per channel and its transparency, and the notes on it.

    16 bits lose their lower 8, as OpenCV cuts them off; floating-point levels from 0 to 1 are
    scaled. Levels whose range nothing tells are refused rather than guessed.

    Args:
        image: A loaded picture.
        layout: Its layout.
        content: The whole file.

    Raises:
        ImageError: If its levels have no agreed meaning.
    """
    notes = []
    transparent = image.info.get('transparency')
    if image.mode == 'F':
        grey, keyed = _from_float(np.asarray(image), layout.white_is_zero), None
        notes.append('floating-point levels from 0 to 1 were scaled to 8 bits')
    elif image.mode.startswith('I'):
        levels = _16_bits(image, layout)
        if layout.bits == 16 and 0 < levels.max() < 4096:
            notes.append(
                f'the levels end at {levels.max():,} of 65,535, so that the picture is nearly '
                'black: a 12-bit camera? Scale them to 16 bits'
            )
        keyed = levels != transparent if isinstance(transparent, int) else None
        grey = (levels >> (4 if layout.raw == 'I;12' else 8)).astype(np.uint8)
    else:
        if layout.bits > 8:
            notes.append(f'{layout.bits} bits a channel were reduced to 8')
            if image.format == 'JPEG2000':
                return _jpeg_2000(image, layout.bits, content), notes
        return _transparency_kept(image, layout, content), notes
    if image.mode != 'F':
        notes.append(f'{layout.bits} bits were reduced to 8')
    result = Image.fromarray(grey)
    if keyed is not None:
        result.putalpha(Image.fromarray(keyed.astype(np.uint8) * 255))
    return result, notes


def _from_float(levels: np.ndarray, white_is_zero: bool) -> np.ndarray:
    low, high = float(levels.min()), float(levels.max())
    if not (low >= 0 and high <= 1):  # also where they are NaN
        msg = (
            f'floating-point levels from {low:g} to {high:g}: only 0 to 1 has an agreed meaning. '
            f'Scale them to that, or {_ADVICE}'
        )
        raise ImageError(msg)
    scaled: np.ndarray = np.rint(levels * 255).astype(np.uint8)
    return 255 - scaled if white_is_zero else scaled


def _16_bits(image: Image.Image, layout: Layout) -> np.ndarray:
    levels = np.asarray(image)
    if image.mode == 'I':
        low, high = int(levels.min()), int(levels.max())
        if layout.bits > 16 or low < 0 or high > 65535:
            shown = 'unsigned' if layout.raw == 'I;32N' else f'from {low:,} to {high:,}'
            msg = f'{layout.bits}-bit integers ({shown}) have no agreed range: {_ADVICE}'
            raise ImageError(msg)
    levels = levels.astype(np.uint16)
    return 65535 - levels if layout.white_is_zero else levels


def _jpeg_2000(image: Image.Image, bits: int, content: bytes) -> Image.Image:
    """Read the colours again: Pillow rounds the brightest levels up to 256, which is black."""
    import cv2

    levels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.shape != (*image.size[::-1], len(image.getbands())):
        msg = f'JPEG 2000 of {bits} bits a channel in a layout that is not read: {_ADVICE}'
        raise ImageError(msg)
    order = [2, 1, 0, 3][: levels.shape[2]]
    shifted = levels[..., order].astype(np.uint16) >> (bits - 8)
    return Image.fromarray(shifted.astype(np.uint8))


def _transparency_kept(image: Image.Image, layout: Layout, content: bytes) -> Image.Image:
    """Return the picture with its transparency where `convert` finds it."""
    if image.mode == 'La':  # premultiplied grey, which Pillow turns into this alone
        return image.convert('LA')
    transparent = image.info.get('transparency')
    if layout.raw in _PNG_SCALES and isinstance(transparent, int):
        image.info['transparency'] = transparent * _PNG_SCALES[layout.raw]
    elif layout.raw == 'RGB;16B' and image.format == 'PNG' and transparent is not None:
        import cv2

        # Pillow compares the transparent colour's 16 bits with the pixels' 8.
        exact = np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))
        image = image.copy()
        del image.info['transparency']
        image.putalpha(Image.fromarray((exact[..., 3] >> 8).astype(np.uint8)))
    return image
