"""Colour descriptions of images: ICC profiles, and those of PNG, AVIF and HEIC."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

__all__ = ['Chunks', 'colour_chunks', 'in_rgb', 'is_srgb', 'profile_of_chunks', 'to_srgb']

# Colour description as PNG's chunks cICP, cHRM, gAMA and sRGB: name and body of each.
Chunks = tuple[tuple[bytes, bytes], ...]

_DESCRIPTIONS = {b'cICP': 4, b'cHRM': 32, b'gAMA': 4, b'sRGB': 1}  # and their lengths
_SRGB_CODE = (1, 13)  # primaries and transfer of sRGB in ITU-T H.273

# x and y of white, red, green and blue: cHRM's order.
_REC709 = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES = {
    1: _REC709,
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.3140, 0.3510, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
}
# Exponents, and sRGB's curve, as the parameters of an ICC parametric curve (g, a, b, c, d).
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_TRANSFERS: dict[int, tuple[float, ...]] = {4: (2.2,), 5: (2.8,), 8: (1.0,), 13: _SRGB_CURVE}
# ICC's name of a mode's colour space, and ours.
_SPACES = {
    'CMYK': (b'CMYK', 'CMYK'),
    '1': (b'GRAY', 'grey'),
    'L': (b'GRAY', 'grey'),
}
_DROPPED = 'a colour profile that does not fit was dropped'
_D50 = np.array((0.9642, 1.0, 0.8249))
_BRADFORD = np.array(
    ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
)


def colour_chunks(content: bytes, profile: bytes | None = None) -> Chunks:
    """Return the colour description that a file has besides an ICC profile.

    PNG has its chunks, of which cICP outranks a profile; AVIF and HEIC have the code of a cICP
    chunk, which is returned as such where there is no profile: beside one, it only says how the
    file is decoded.

    Args:
        content: The whole file.
        profile: Its ICC profile, if it has one.
    """
    if content.startswith(b'\x89PNG'):
        return tuple(
            (name, body)
            for name, body in _png_chunks(content)
            if _DESCRIPTIONS.get(name) == len(body)
        )
    if content[4:8] == b'ftyp' and not profile:
        at = content.find(b'colrnclx')
        code = content[at + 8 : at + 14] if at >= 0 else b''
        if len(code) == 6:
            primaries, transfer = struct.unpack('>HH', code[:4])
            if (primaries, transfer) != _SRGB_CODE and 2 not in (primaries, transfer):
                # RGB (matrix 0) in full range: what the decoder has made of it.
                return ((b'cICP', bytes((primaries & 255, transfer & 255, 0, 1))),)
    return ()


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 12 <= len(content):
        length, name = struct.unpack_from('>I4s', content, at)
        if name == b'IDAT':
            return
        yield name, content[at + 8 : at + 8 + length]
        at += 12 + length


def profile_of_chunks(chunks: Chunks) -> bytes | None:
    """Return an ICC profile of a colour description, for files that can hold nothing else.

    Returns:
        The profile; None where none is needed (sRGB), or where none can be made (HDR, unknown
        codes). `is_srgb` tells the two apart.
    """
    described = _primaries_and_curve(chunks)
    try:
        return None if described is None else _icc_profile(*described)
    except (struct.error, OverflowError):  # a gamma of 1 / 33,333: no profile has room for it
        return None


def is_srgb(chunks: Chunks) -> bool:
    """Return whether a colour description means sRGB, which is also what none means."""
    known = dict(chunks)
    if b'cICP' in known:
        return tuple(known[b'cICP'][:2]) == _SRGB_CODE
    return b'sRGB' in known or not known


def _primaries_and_curve(chunks: Chunks) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return primaries and transfer curve, None for sRGB and the unknown.

    Of several chunks the one counts that PNG's third edition ranks first.
    """
    known = dict(chunks)
    if is_srgb(chunks):
        return None
    if b'cICP' in known:
        primaries, transfer = (*known[b'cICP'], 0, 0)[:2]
        if primaries in _PRIMARIES and transfer in _TRANSFERS:
            return _PRIMARIES[primaries], _TRANSFERS[transfer]
        return None
    colours: tuple[float, ...] = _REC709
    curve: tuple[float, ...] = _SRGB_CURVE
    if len(known.get(b'cHRM', b'')) == 32:
        colours = tuple(value / 100_000 for value in struct.unpack('>8I', known[b'cHRM']))
    if len(known.get(b'gAMA', b'')) == 4 and any(known[b'gAMA']):
        curve = (100_000 / int.from_bytes(known[b'gAMA'], 'big'),)
    return colours, curve


def _icc_profile(chromaticities: tuple[float, ...], curve: tuple[float, ...]) -> bytes | None:
    """Build a display profile of ICC version 4 from primaries and a transfer curve."""
    xy = np.array(chromaticities).reshape(4, 2)
    if not (xy[:, 1] > 0).all():
        return None
    white, *primaries = np.column_stack([xy[:, 0], xy[:, 1], 1 - xy.sum(1)]) / xy[:, 1:]
    matrix = np.column_stack(primaries)
    if abs(np.linalg.det(matrix)) < 1e-6:
        return None
    matrix = matrix * np.linalg.solve(matrix, white)
    adapt = np.linalg.solve(_BRADFORD, np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)))
    adapt = adapt @ _BRADFORD
    tags = {
        b'desc': _text('described by the PNG'),
        b'cprt': _text('no copyright'),
        b'wtpt': b'XYZ \0\0\0\0' + _fixed(*_D50),
        b'chad': b'sf32\0\0\0\0' + _fixed(*adapt.ravel()),
    }
    for name, column in zip((b'rXYZ', b'gXYZ', b'bXYZ'), (adapt @ matrix).T, strict=True):
        tags[name] = b'XYZ \0\0\0\0' + _fixed(*column)
    kind = 3 if len(curve) > 1 else 0
    for name in (b'rTRC', b'gTRC', b'bTRC'):
        tags[name] = struct.pack('>4s4xHxx', b'para', kind) + _fixed(*curve)
    table, bodies = b'', b''
    for name, body in tags.items():
        table += struct.pack('>4sII', name, 132 + 12 * len(tags) + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    size = 132 + len(table) + len(bodies)
    date = (2000, 1, 1, 0, 0, 0)  # fixed, so that equal pictures give equal files
    header = struct.pack(
        '>I4xI4s4s4s6H4s24x', size, 0x04300000, b'mntr', b'RGB ', b'XYZ ', *date, b'acsp'
    )
    header += bytes(4) + _fixed(*_D50)
    return header.ljust(128, b'\0') + struct.pack('>I', len(tags)) + table + bodies


def _fixed(*values: float) -> bytes:
    return struct.pack(f'>{len(values)}i', *(round(value * 65536) for value in values))


def _text(text: str) -> bytes:
    words = text.encode('utf-16-be')
    return struct.pack('>4s4xII2s2sII', b'mluc', 1, 12, b'en', b'US', len(words), 28) + words


def in_rgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None, str]:
    """Return an opaque picture as RGB, the profile to read it with, and a note or nothing.

    CMYK and grey with a profile of their own become sRGB through it, as browsers show them; a
    profile that does not fit is dropped.

    Args:
        image: A picture of 8 bits per channel, of any mode.
        profile: The ICC profile embedded in its file, if any.
    """
    if image.mode == 'LAB':
        return image.convert('RGB'), None, 'CIELAB was converted to sRGB'
    space, name = _SPACES.get(image.mode, (b'RGB ', 'RGB'))
    if space == b'RGB ':
        rgb = image if image.mode == 'RGB' else image.convert('RGB')
        if profile and profile[16:20] != space:
            return rgb, None, _DROPPED
        return rgb, profile or None, ''
    if profile:
        plain = image.convert('RGB')
        try:
            if profile[16:20] == space:
                full = image.convert('L') if space == b'GRAY' else image
                converted = _to_srgb(full, profile)
                same = converted.tobytes() == plain.tobytes()
                said = '' if same else f'{name} was converted to sRGB by its colour profile'
                return converted, None, said
        except OSError:
            pass  # a damaged profile
        return plain, None, _DROPPED
    said = 'CMYK was converted without a colour profile' if space == b'CMYK' else ''
    return image.convert('RGB'), None, said


def to_srgb(
    pixels: np.ndarray, profile: bytes | None, chunks: Chunks = ()
) -> tuple[np.ndarray, str]:
    """Convert colours to sRGB.

    Args:
        pixels: uint8 array of shape (H, W, 3), RGB.
        profile: ICC profile that they are to be read with, if any.
        chunks: Other description of them, which counts where there is no profile, or where it
            outranks one (cICP).

    Returns:
        Array of that shape and dtype, and a note where the colours could not be converted.
    """
    made = profile_of_chunks(chunks)
    if b'cICP' in dict(chunks) and (made or is_srgb(chunks)):
        profile = made
    profile = profile or made
    if profile is None:
        said = '' if is_srgb(chunks) else 'the colours were not converted to sRGB: HDR or unknown'
        return pixels, said
    try:
        return np.asarray(_to_srgb(Image.fromarray(pixels), profile)), ''
    except OSError:
        return pixels, 'the colours were not converted to sRGB: their profile is damaged'


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    from PIL import ImageCms

    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile('sRGB'),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode='RGB',
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError as err:
        raise OSError(str(err)) from err
    assert converted is not None  # as `inPlace` is not asked for
    return converted
