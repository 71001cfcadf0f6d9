"""Colour descriptions are passed on, applied, or noted as dropped."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from bgremoval_mm.removal import CutoutFolder
from bgremoval_mm.removal.images.colour import is_srgb, profile_of_chunks
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.outputs.cutouts import encode_image

DISPLAY_P3 = (b'cICP', bytes((12, 13, 0, 1)))
HDR = (b'cICP', bytes((9, 16, 0, 1)))  # BT.2020, PQ
SRGB = (b'sRGB', b'\0')
LINEAR = (b'gAMA', struct.pack('>I', 100_000))
ADOBE = (
    (b'gAMA', struct.pack('>I', 45_455)),
    (b'cHRM', struct.pack('>8I', 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)),
)
DESCRIPTIONS = [(SRGB,), (DISPLAY_P3,), (HDR,), (LINEAR,), ADOBE]


def described(*chunks: tuple[bytes, bytes], colour: str = 'RGB') -> bytes:
    """A PNG with colour chunks."""
    buffer = io.BytesIO()
    Image.new(colour, (6, 4), 200 if colour == 'L' else (200, 100, 50)).save(buffer, 'PNG')
    content = buffer.getvalue()
    middle = b''
    for name, body in chunks:
        middle += struct.pack('>I', len(body)) + name + body
        middle += struct.pack('>I', zlib.crc32(name + body))
    return content[:33] + middle + content[33:]


def profile(space: bytes, kind: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2, written by hand."""
    tags = {b'desc': b'desc' + struct.pack('>4xI', 2) + b'a\0' + bytes(78)} | tags
    tags |= {b'wtpt': b'XYZ ' + struct.pack('>4x3i', 63190, 65536, 54061)}
    tags |= {b'cprt': b'text\0\0\0\0none\0'}
    table, bodies = b'', b''
    for name, body in tags.items():
        table += struct.pack('>4sII', name, 132 + 12 * len(tags) + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = struct.pack('>I4xI4s4s4s12x4s', 132 + len(table) + len(bodies), 0x02400000, kind,
                       space, connection, b'acsp')  # fmt: skip
    head = head.ljust(68, b'\0') + struct.pack('>3i', 63190, 65536, 54061)
    return head.ljust(128, b'\0') + struct.pack('>I', len(tags)) + table + bodies


@pytest.fixture
def cmyk_profile() -> bytes:
    """A press on which each ink but black is mid-grey: no formula for CMYK gives that."""
    grid = b''
    for cell in range(16):  # cyan changes slowest, black fastest
        lightness = 0 if cell & 1 else 128 if cell else 255
        grid += bytes((lightness, 128, 128))
    identity = struct.pack('>9i', 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    line = bytes(range(256))
    table = b'mft1' + struct.pack('>4x4B', 4, 3, 2, 0) + identity + line * 4 + grid + line * 3
    return profile(b'CMYK', b'prtr', b'Lab ', {b'A2B0': table})


@pytest.fixture
def linear_grey() -> bytes:
    """A profile of grey whose levels are proportional to light."""
    return profile(b'GRAY', b'mntr', b'XYZ ', {b'kTRC': b'curv' + struct.pack('>4xI', 0)})


def seen_in_srgb(content: bytes) -> np.ndarray:
    """The first pixel of a file as a viewer that heeds its profile shows it."""
    with Image.open(io.BytesIO(content)) as image:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(image.info['icc_profile']))
        shown = ImageCms.profileToProfile(image, embedded, ImageCms.createProfile('sRGB'))
        return np.asarray(shown)[0, 0, :3].astype(int)


def write(folder: Path, content: bytes, **options: str) -> tuple[bytes, str]:
    """The result of a picture that is all foreground, and the note of its record."""
    source = decode_image(content)
    target = CutoutFolder(folder, 'rgb', 'u2netp', **options)
    record = target.put('a', source, np.full((4, 6), 255, np.uint8), False)
    return target.path('a').read_bytes(), record.note


@pytest.mark.parametrize('chunks', DESCRIPTIONS)
@pytest.mark.parametrize('colour', ['RGB', 'L'])
def test_png_hands_its_description_on(tmp_path: Path, chunks, colour: str) -> None:
    """The cut-out is shown in the photo's colours: it has the same chunks."""
    result, note = write(tmp_path, described(*chunks, colour=colour))
    assert decode_image(result).colour == chunks
    assert note == ''


@pytest.mark.parametrize('file_format', ['webp', 'jpeg'])
@pytest.mark.parametrize(
    ('chunks', 'expected'),
    [
        # Display P3's (200, 100, 50), computed from the primaries by ITU-R and SMPTE formulas.
        ((DISPLAY_P3,), (215, 93, 31)),
        # Linear light: sRGB's curve applied to each channel.
        ((LINEAR,), (229, 168, 122)),
    ],
)
def test_other_formats_get_a_profile(tmp_path: Path, file_format, chunks, expected) -> None:
    """WebP and JPEG know profiles only: one that says the same is made."""
    result, note = write(tmp_path, described(*chunks), file_format=file_format)
    np.testing.assert_allclose(seen_in_srgb(result), expected, atol=3)
    assert note == ''


@pytest.mark.parametrize('file_format', ['webp', 'jpeg'])
def test_what_cannot_be_handed_on_is_said(tmp_path: Path, file_format: str) -> None:
    """No profile of this kind holds HDR; sRGB needs none."""
    result, note = write(tmp_path / 'hdr', described(HDR), file_format=file_format)
    assert decode_image(result).icc_profile is None
    assert note == f'the colour description was dropped: {file_format} cannot hold it'
    _, note = write(tmp_path / 'srgb', described(SRGB), file_format=file_format)
    assert note == ''


def test_a_mask_has_no_colours(tmp_path: Path) -> None:
    """A mask's levels are no colours: nothing is passed on."""
    target = CutoutFolder(tmp_path, 'mask', 'u2netp')
    content, _ = target.render(decode_image(described(DISPLAY_P3)), np.zeros((4, 6), np.uint8))
    assert decode_image(content).colour == ()


@pytest.mark.parametrize(
    ('chunks', 'plain'),
    [
        ((), True),
        ((SRGB,), True),
        (((b'cICP', bytes((1, 13, 0, 1))),), True),
        ((DISPLAY_P3, SRGB), False),  # the third edition of PNG ranks cICP first
        ((LINEAR, SRGB), True),
        ((LINEAR,), False),
    ],
)
def test_descriptions_of_srgb(chunks, plain: bool) -> None:
    """What says no more than what is taken for granted needs no profile."""
    assert is_srgb(chunks) is plain
    assert (profile_of_chunks(chunks) is None) is plain


@pytest.mark.parametrize(
    'chunks',
    [
        (HDR,),
        ((b'cICP', b''),),
        ((b'gAMA', b''), (b'cHRM', b'')),
        ((b'gAMA', bytes(4)),),
        ((b'gAMA', struct.pack('>I', 1)),),
        ((b'cHRM', struct.pack('>8I', 2**32 - 1, 1, 7, 1, 1, 2**31, 3, 1)),),
        ((b'cHRM', bytes(32)),),
        ((b'cHRM', struct.pack('>8I', *[30000] * 8)),),
    ],
)
def test_broken_descriptions_end_nothing(chunks) -> None:
    """A profile that makes sense, or none; never an error."""
    made = profile_of_chunks(chunks)
    if made is not None:
        ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(made)))
    encode_image(np.zeros((4, 4, 3), np.uint8), 'webp', None, chunks)


def test_profile_of_a_png_wins_over_gamma(tmp_path: Path) -> None:
    """The profile is embedded again; gAMA beside it is for viewers that know no profiles."""
    embedded = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    buffer = io.BytesIO()
    Image.new('RGB', (6, 4)).save(buffer, 'PNG', icc_profile=embedded)
    for file_format in ('png', 'webp', 'jpeg'):
        result, _ = write(tmp_path / file_format, buffer.getvalue(), file_format=file_format)
        assert decode_image(result).icc_profile == embedded


@pytest.mark.parametrize('file_format', ['JPEG', 'TIFF'])
def test_cmyk_profile_is_applied(tmp_path: Path, cmyk_profile: bytes, file_format: str) -> None:
    """Cyan ink is mid-grey on this press: L* 50.2 is level 119 of sRGB (IEC 61966-2-1)."""
    buffer = io.BytesIO()
    image = Image.new('CMYK', (6, 4), (255, 0, 0, 0))
    image.save(buffer, file_format, icc_profile=cmyk_profile)
    source = decode_image(buffer.getvalue())
    np.testing.assert_allclose(source.rgb[0, 0], 119, atol=2)
    assert source.icc_profile is None
    assert source.note == 'CMYK was converted to sRGB by its colour profile'


def test_cmyk_without_profile_is_said() -> None:
    """The plain formula, as OpenCV and rembg have it."""
    buffer = io.BytesIO()
    Image.new('CMYK', (6, 4), (255, 0, 0, 0)).save(buffer, 'TIFF')
    source = decode_image(buffer.getvalue())
    assert source.rgb[0, 0].tolist() == [0, 255, 255]
    assert source.note == 'CMYK was converted without a colour profile'


@pytest.mark.parametrize('mode', ['L', 'LA', 'I;16'])
def test_grey_profile_is_applied(linear_grey: bytes, mode: str) -> None:
    """Level 55 of linear light is level 128 of sRGB; transparency stays."""
    buffer = io.BytesIO()
    level = {'L': 55, 'LA': (55, 0), 'I;16': 55 * 256}[mode]
    image = Image.new(mode, (6, 4), level)
    if mode == 'LA':
        image.putpixel((0, 0), (55, 255))
    image.save(buffer, 'PNG', icc_profile=linear_grey)
    source = decode_image(buffer.getvalue())
    np.testing.assert_allclose(source.rgb[0, 0], 128, atol=2)
    assert 'grey was converted to sRGB by its colour profile' in source.note
    assert source.icc_profile is None
    assert (source.alpha is not None) is (mode == 'LA')


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
@pytest.mark.parametrize('kind', ['of other colours', 'damaged'])
def test_profiles_that_do_not_fit_are_dropped(mode, kind, linear_grey, cmyk_profile) -> None:
    """Such a profile is neither embedded nor an error, but it is said."""
    if kind == 'damaged':
        embedded = {'RGB': b'x' * 200, 'L': linear_grey[:140], 'CMYK': cmyk_profile[:140]}[mode]
    else:
        embedded = linear_grey if mode == 'CMYK' else cmyk_profile
    buffer = io.BytesIO()
    Image.new(mode, (6, 4)).save(buffer, 'TIFF', icc_profile=embedded)
    source = decode_image(buffer.getvalue())
    assert source.icc_profile is None
    assert source.note == 'a colour profile that does not fit was dropped'


def test_lab_is_converted() -> None:
    """CIELAB, as some editors save TIFFs."""
    lab = ImageCms.createProfile('LAB')
    rgb = Image.new('RGB', (6, 4), (200, 100, 50))
    image = ImageCms.profileToProfile(rgb, ImageCms.createProfile('sRGB'), lab, outputMode='LAB')
    buffer = io.BytesIO()
    image.save(buffer, 'TIFF')
    source = decode_image(buffer.getvalue())
    np.testing.assert_allclose(source.rgb[0, 0].astype(int), (200, 100, 50), atol=4)
    assert source.note == 'CIELAB was converted to sRGB'


def test_colours_of_an_avif_without_profile() -> None:
    """AVIF codes its colours by numbers, which a PNG can say as well."""
    buffer = io.BytesIO()
    Image.new('RGB', (6, 4), (200, 100, 50)).save(buffer, 'AVIF')
    content = buffer.getvalue()
    at = content.index(b'colrnclx') + 8
    assert decode_image(content).colour == ()  # sRGB
    wide = content[:at] + struct.pack('>HH', 12, 13) + content[at + 4 :]
    assert decode_image(wide).colour == (DISPLAY_P3,)


def test_profile_of_an_avif_outranks_its_code() -> None:
    """The code then says how the file is decoded only; a PNG's cICP would outrank the profile."""
    embedded = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    buffer = io.BytesIO()
    Image.new('RGB', (6, 4), (200, 100, 50)).save(buffer, 'AVIF', icc_profile=embedded)
    content = buffer.getvalue()
    at = content.index(b'colrnclx') + 8
    source = decode_image(content[:at] + struct.pack('>HH', 12, 13) + content[at + 4 :])
    assert source.icc_profile == embedded
    assert source.colour == ()


def test_code_of_a_png_is_kept_beside_its_profile() -> None:
    """Both are handed on: the third edition of PNG ranks cICP first."""
    embedded = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    buffer = io.BytesIO()
    Image.new('RGB', (6, 4)).save(buffer, 'PNG', icc_profile=embedded)
    content = buffer.getvalue()
    name, body = DISPLAY_P3
    chunk = struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
    source = decode_image(content[:33] + chunk + content[33:])
    assert (source.icc_profile, source.colour) == (embedded, (DISPLAY_P3,))
