"""Damage in JPEG files that decoders pass over: libjpeg only warns, and Pillow drops that."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

__all__ = ['jpeg_damage']

_MARKER = re.compile(rb'\xff[^\x00]')  # a literal first byte is what makes the search fast
_RESTARTS = range(0xD0, 0xD8)
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_ZEROS = bytes(16)
_END_OF_BLOCK = frozenset(range(0x00, 0xF0, 0x10))  # with progressive runs of them


@dataclass
class _Frame:
    """The content of a JPEG's markers, as far as they are read."""

    progressive: bool = False
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    # Symbol of the code that is all zeros, by class (0 DC, 1 AC) and number of the table.
    zero_symbol: dict[tuple[int, int], int] = field(default_factory=dict)
    restarts: bool = False
    # Bits still lacking of each coefficient, by component; 255 is: never sent.
    lacking: dict[int, np.ndarray] = field(default_factory=dict)
    interleaved: bool = False
    pixels: tuple[int, int] = (0, 0)  # begin and end of the last scan's coded pixels


def jpeg_damage(content: bytes, image: Image.Image) -> str:
    """Say what is damaged in a JPEG that was decoded nevertheless.

    Decoders fill what a broken download lacks with grey, or make noise of a hole. Found are: a
    file without its end; pixels that are missing up to the end, or scans of a progressive file;
    16 bytes of zeros or more where the file's codes allow no such run; lost restart markers. Not
    found: a few changed bytes, holes of other content, zeros in files whose most frequent code is
    itself all zeros (a plain background in an optimised file), and a last scan that is cut, which
    adds the finest detail only.

    Args:
        content: The whole file.
        image: What was decoded from it, as stored, before it is turned.

    Returns:
        A phrase, or nothing if no damage was found.
    """
    frame = _Frame()
    try:
        found = _walk(content, frame)
    except IndexError:
        found = 'the file ends within its markers'
    if not found and any((bits != 0).any() for bits in frame.lacking.values()):
        found = 'scans are missing, so that details are'
    if not found and not frame.progressive and frame.interleaved:
        share = _missing_share(content, image, frame)
        if share:
            found = f'{max(share, 0.01):.0%} of the picture is missing'
    return f'damaged: {found}' if found else ''


def _walk(content: bytes, frame: _Frame) -> str:
    """Read the markers, and return the first damage."""
    at = 2
    while True:
        code, _, at = _next_marker(content, at)
        if code is None:
            return 'the end of the file is missing'
        if code == 0xD9:
            return ''
        if code in _RESTARTS or code == 0x01:
            continue
        length = content[at] << 8 | content[at + 1]
        body = content[at + 2 : at + length]
        at += length
        if code in _SEQUENTIAL or code == _PROGRESSIVE:
            _read_frame(body, code == _PROGRESSIVE, frame)
        elif code in (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)):
            frame.lacking.clear()
            return ''  # lossless or arithmetic coding, which has no codes of its own
        elif code == 0xC4:
            _read_tables(body, frame)
        elif code == 0xDD:
            frame.restarts = any(body)
        elif code == 0xDA and frame.lacking:
            end, found = _check_scan(content, at, body, frame)
            if found:
                return found
            at = end


def _next_marker(content: bytes, at: int) -> tuple[int | None, int, int]:
    """Return a marker's code, where it begins, and where it ends; the code is None at the end."""
    found = _MARKER.search(content, at)
    if found is None:
        return None, len(content), len(content)
    begin, end = found.span()
    while content[end - 1] == 0xFF and end < len(content):
        end += 1  # any number of these may fill up before a marker
    return content[end - 1], begin, end


def _read_frame(body: bytes, progressive: bool, frame: _Frame) -> None:
    frame.progressive = progressive
    for index in range(body[5]):
        name, sampling = body[6 + 3 * index], body[7 + 3 * index]
        frame.sampling[name] = (sampling >> 4, sampling & 15)
        frame.lacking[name] = np.full(64, 255)


def _read_tables(body: bytes, frame: _Frame) -> None:
    while len(body) > 16:
        number = sum(body[1:17])
        if number:
            # The first code of a canonical table is all zeros.
            frame.zero_symbol[body[0] >> 4, body[0] & 15] = body[17]
        body = body[17 + number :]


def _check_scan(content: bytes, begin: int, head: bytes, frame: _Frame) -> tuple[int, str]:
    """Return where a scan's coded pixels end, and the damage in them."""
    number = head[0]
    tables = {head[1 + 2 * index]: head[2 + 2 * index] for index in range(number)}
    first, last, bits = head[1 + 2 * number], head[2 + 2 * number], head[3 + 2 * number]
    for name in tables:
        if name in frame.lacking:
            frame.lacking[name][first : last + 1] = bits & 15
    frame.interleaved = number == len(frame.lacking)
    expected = 0
    at = begin
    while True:
        code, end, at = _next_marker(content, at)
        if code is None:
            return end, 'the end of the file is missing'
        if code not in _RESTARTS:
            break
        if not frame.restarts or code - 0xD0 != expected:
            return end, 'a part within the picture is missing'
        expected = (expected + 1) % 8
    frame.pixels = (begin, end)
    if bits >> 4 == 0 and not _may_be_zeros(first, last, tables, frame):
        zeros = content.find(_ZEROS, begin, end)
        if zeros >= 0:
            length = end - zeros - len(content[zeros:end].lstrip(b'\0'))
            return end, f'{length:,} bytes of zeros stand within the picture'
    return end, ''


def _may_be_zeros(first: int, last: int, tables: dict[int, int], frame: _Frame) -> bool:
    """Return whether plain areas may be coded by zero bits alone: no change, and end of block."""
    symbols = frame.zero_symbol
    plain_dc = all(symbols.get((0, table >> 4)) == 0 for table in tables.values())
    plain_ac = all(symbols.get((1, table & 15)) in _END_OF_BLOCK for table in tables.values())
    return (first > 0 or plain_dc) and (last == 0 or plain_ac)


def _missing_share(content: bytes, image: Image.Image, frame: _Frame) -> float:
    """Return which share of a sequential JPEG was filled with grey at its end.

    libjpeg's filling is exact mid-grey. A photograph that is grey there itself is recognised by its
    code, which then repeats itself up to the end; a broken file's does not.
    """
    corner = image.getpixel((image.width - 1, image.height - 1))
    grey_level = 127 if image.mode == 'CMYK' else 128  # inks are stored inverted
    if any(level != grey_level for level in (corner if isinstance(corner, tuple) else (corner,))):
        return 0.0  # nearly always: nothing else is looked at
    pixels = np.asarray(image)
    across = 8 * max((wide for wide, _ in frame.sampling.values()), default=1)
    down = 8 * max((high for _, high in frame.sampling.values()), default=1)
    height, width = pixels.shape[:2]
    rows, columns = -(-height // down), -(-width // across)
    grey = 0
    for row in range(rows - 1, -1, -1):
        band = pixels[row * down : (row + 1) * down]
        whole = _grey_columns(band == grey_level, across, columns)
        grey += whole
        if whole < columns:
            break
    if grey == 0:
        return 0.0
    # No code is shorter than a bit, and a block has two at least.
    blocks = sum(wide * high for wide, high in frame.sampling.values())
    code = content[slice(*frame.pixels)]
    if frame.restarts:
        code = code[max(code.rfind(bytes((0xFF, marker))) for marker in _RESTARTS) + 2 :]
    code = code.replace(b'\xff\x00', b'\xff')[:-1]
    code = code[-min(grey * blocks * 2 // 8, 96) :]
    if len(code) < 12 or _repeats_itself(code):
        return 0.0
    return float(grey / (rows * columns))


def _grey_columns(is_grey: np.ndarray, across: int, columns: int) -> int:
    """Return how many columns of units, from the right, are exact mid-grey."""
    # Colours of the neighbours above and to the left are blended into a pixel or two.
    inner = is_grey[min(2, len(is_grey) - 1) :]
    other = np.flatnonzero(~np.all(inner, axis=(0, *range(2, inner.ndim))))
    first = -(-max(int(other[-1]) - 1, 1) // across) if other.size else 0
    return columns - first


def _repeats_itself(code: bytes) -> bool:
    bits = np.unpackbits(np.frombuffer(code, np.uint8))
    return any((bits[period:] == bits[:-period]).all() for period in range(1, len(bits) // 2))
