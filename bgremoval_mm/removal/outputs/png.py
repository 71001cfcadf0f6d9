"""PNG files, in a fraction of the time that Pillow takes.

Pillow tries five filters on each row; here every row has the same one. And what is compressed goes
through ISA-L, where there is a wheel of it, in a quarter of zlib's time. Both release the
interpreter's lock meanwhile, as numpy does, so that the threads of a job can write side by side.
benchmarks/encoders.py compares them. Masks of a store, whose rows are as they are, are also read
here, if they are small: a training reads one for each of its samples.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

try:
    from isal import isal_zlib
except ImportError:  # there are no wheels for some machines
    isal_zlib = None  # type: ignore[assignment]

__all__ = ['PLAIN_PIXELS', 'decode_plain', 'encode_png', 'profile_chunk', 'text_chunk']

PLAIN_PIXELS = 1 << 22  # of the largest mask that is read here: no file can ask for more memory

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # PNG specification, 11.2.1: grey, RGB, RGBA
_NONE, _UP = 0, 2  # its filters, 9.2
_PLAIN = re.compile(rb'IHDR( tEXt)*( IDAT)+ IEND')
_GREY = [8, 0, 0, 0, 0]  # bits, colour type, compression, filter, interlacing
# Both write and read zlib's format (RFC 1950).
_CODEC: Any = isal_zlib or zlib
_BAND = 1 << 20  # bytes that are filtered at a time


def encode_png(
    pixels: np.ndarray, chunks: Iterable[tuple[bytes, bytes]] = (), *, plain: bool = False
) -> bytes:
    """Return an image as a PNG file of 8 bits a channel.

    Args:
        pixels: uint8 array of shape (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, straight alpha.
        chunks: Name and body of each further chunk, written before the pixels.
        plain: Leave rows as they are: for small masks, which are decoded faster so than with the
            filter that suits photos.

    Raises:
        ValueError: If the array is no such image.
    """
    planes = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or planes not in _COLOUR_TYPES:
        msg = (
            'the pixels must be a uint8 array of shape (H, W), (H, W, 3) or (H, W, 4), but got '
            f'{pixels.dtype} of shape {pixels.shape}'
        )
        raise ValueError(msg)
    height, width = pixels.shape[:2]
    header = struct.pack('>2I5B', width, height, 8, _COLOUR_TYPES[planes], 0, 0, 0)
    parts = [_SIGNATURE, _chunk(b'IHDR', header)]
    parts += [_chunk(name, body) for name, body in chunks]
    # Masks of a store are written once and read in every epoch. What zlib's level 3 writes is read
    # faster than what ISA-L does, and takes no longer than its level 1. Runs of one value alone
    # (Z_RLE) would be smaller still, but some versions of zlib read them in three times as long.
    deflater = zlib.compressobj(3) if plain else _CODEC.compressobj(1)
    rows = pixels.reshape(height, width * planes)
    for band in _filtered(rows, _NONE if plain else _UP):
        if body := deflater.compress(band.data):
            parts.append(_chunk(b'IDAT', body))
    parts += [_chunk(b'IDAT', deflater.flush()), _chunk(b'IEND', b'')]
    return b''.join(parts)


def decode_plain(content: bytes) -> tuple[np.ndarray, dict[str, str]] | None:
    """Return pixels and texts of a small grey image that `encode_png` wrote with ``plain``.

    Args:
        content: A file.

    Returns:
        uint8 array of shape (H, W), and the texts by their keys; or None for any other file and a
        damaged one: Pillow reads it, or says what is wrong.
    """
    try:
        chunks = list(_chunks(content))
        if not _PLAIN.fullmatch(b' '.join(name for name, _ in chunks)):
            return None
        width, height, *kind = struct.unpack('>2I5B', chunks[0][1])
        if kind != _GREY or not 0 < width * height <= PLAIN_PIXELS:
            return None
        inflater = _CODEC.decompressobj()
        data = b''.join(body for name, body in chunks if name == b'IDAT')
        # One more than there should be, so that it ends only where the file does.
        rows = np.frombuffer(inflater.decompress(data, height * (1 + width) + 1), np.uint8)
        rows = rows.reshape(height, 1 + width)
        texts = [body.decode('latin-1').split('\0', 1) for name, body in chunks if name == b'tEXt']
        found = dict(texts)
    except (ValueError, struct.error, _CODEC.error):
        return None
    if not inflater.eof or inflater.unused_data or rows[:, 0].any():  # 0 is _NONE
        return None
    return np.ascontiguousarray(rows[:, 1:]), found


def profile_chunk(icc_profile: bytes) -> tuple[bytes, bytes]:
    """Return name and body of the chunk of a colour profile."""
    return b'iCCP', b'ICC Profile\0\0' + zlib.compress(icc_profile)


def text_chunk(key: str, text: str) -> tuple[bytes, bytes]:
    """Return name and body of a chunk of text; both must be Latin-1."""
    return b'tEXt', key.encode('latin-1') + b'\0' + text.encode('latin-1')


def _filtered(rows: np.ndarray, kind: int) -> Iterator[np.ndarray]:
    """Yield the rows, each with its filter's number before it, a band of them at a time."""
    height, length = rows.shape
    step = max(1, _BAND // max(length, 1))
    for start in range(0, height, step):
        part = rows[start : start + step]
        band = np.empty((len(part), 1 + length), np.uint8)
        band[:, 0] = kind
        if kind == _NONE:
            band[:, 1:] = part
        else:  # the difference to the row above, modulo 256; above the first one are zeros
            band[0, 1:] = part[0] - rows[start - 1] if start else part[0]
            np.subtract(part[1:], part[:-1], out=band[1:, 1:])
        yield band


def _chunk(name: bytes, body: bytes) -> bytes:
    check = _CODEC.crc32(body, _CODEC.crc32(name))
    return b''.join((struct.pack('>I', len(body)), name, body, struct.pack('>I', check)))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and body of each chunk of a PNG; a ValueError says that it is none, or damaged."""
    if not content.startswith(_SIGNATURE):
        raise ValueError
    at = len(_SIGNATURE)
    while at < len(content):
        length, name = struct.unpack_from('>I4s', content, at)
        body = content[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from('>I', content, at + 8 + length)
        if check != _CODEC.crc32(body, _CODEC.crc32(name)):
            raise ValueError
        yield name, body
        at += 12 + length
