"""Layouts that a library reads wrongly without a word: read by another one, or refused."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from bgremoval_mm.removal import ImageError
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.outputs.cutouts import encode_image

RGB = np.array([[(255, 0, 10), (20, 30, 40)], [(50, 60, 255), (255, 255, 255)]], np.uint8)
GREY, RGB_TIFF, CMYK, YCBCR, CIELAB = 1, 2, 5, 6, 8


def tiff(
    planes: np.ndarray,
    photometric: int,
    sample_format: int = 1,
    extra: int | None = None,
    order: str = '<',
    big: bool = False,
    together: bool = False,
) -> bytes:
    """An uncompressed TIFF with a strip for each plane, or one for all of them."""
    channels, height, width = planes.shape
    bits = planes.dtype.itemsize * 8
    pixels = np.moveaxis(planes, 0, -1) if together else planes
    data = pixels.astype(planes.dtype.newbyteorder(order)).tobytes()
    begin, offset, count = (16, 'Q', 'Q') if big else (8, 'I', 'H')
    strips = 1 if together else channels
    size = len(data) // strips
    starts = [begin + size * strip for strip in range(strips)]
    tags = [
        (256, 'I', [width]),
        (257, 'I', [height]),
        (258, 'H', [bits] * channels),
        (259, 'H', [1]),
        (262, 'H', [photometric]),
        (273, 'I', starts),
        (277, 'H', [channels]),
        (278, 'I', [height]),
        (279, 'I', [size] * strips),
        (284, 'H', [1 if together else 2]),
        *([(338, 'H', [extra])] if extra is not None else []),
        (339, 'H', [sample_format] * channels),
    ]
    inline = struct.calcsize(f'={offset}')
    far = begin + len(data) + struct.calcsize(f'={count}{offset}')
    far += len(tags) * struct.calcsize(f'=HH{offset}{offset}')
    table, rest = b'', b''
    for tag, kind, values in tags:
        packed = struct.pack(f'{order}{len(values)}{kind}', *values)
        if len(packed) > inline:
            packed, rest = struct.pack(f'{order}{offset}', far + len(rest)), rest + packed
        kind_number = {'H': 3, 'I': 4}[kind]
        table += struct.pack(f'{order}HH{offset}', tag, kind_number, len(values))
        table += packed.ljust(inline, b'\0')
    mark = b'II' if order == '<' else b'MM'
    version = struct.pack(f'{order}HHH', 43, 8, 0) if big else struct.pack(f'{order}H', 42)
    head = mark + version + struct.pack(f'{order}{offset}', begin + len(data))
    directory = struct.pack(f'{order}{count}', len(tags)) + table + bytes(inline)
    return head + data + directory + rest


def planes(pixels: np.ndarray, deep: bool = False) -> np.ndarray:
    """The channels of a picture, of 16 bits if asked for."""
    moved = np.moveaxis(pixels, -1, 0)
    return moved.astype(np.uint16) * 257 if deep else moved.copy()


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('deep', [False, True])
def test_tiff_of_separate_channels(order: str, deep: bool) -> None:
    """Each channel by itself, 8 or 16 bits, is the picture (Pillow takes 16 for 8)."""
    content = tiff(planes(RGB, deep), RGB_TIFF, order=order)
    np.testing.assert_array_equal(decode_image(content).rgb, RGB)


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('deep', [False, True])
def test_big_tiff_of_either_byte_order(order: str, deep: bool) -> None:
    """BigTIFF is read in both byte orders (Pillow knows one)."""
    content = tiff(planes(RGB, deep), RGB_TIFF, order=order, big=True, together=True)
    np.testing.assert_array_equal(decode_image(content).rgb, RGB)


RGBA = np.dstack([RGB, np.full((2, 2), 128, np.uint8)])


@pytest.mark.parametrize(
    'content',
    [
        tiff(planes(RGBA, deep=True), RGB_TIFF, extra=2),
        tiff(planes(RGBA), RGB_TIFF, extra=1),
        tiff(planes(RGBA, deep=True), CMYK),
        tiff(planes(RGB), CIELAB),
        tiff(planes(RGB), YCBCR),
        tiff(planes(RGB, deep=True), CIELAB, together=True),
    ],
    ids=['alpha', 'premultiplied', 'CMYK', 'CIELAB', 'YCbCr', 'CIELAB of 16 bits'],
)
def test_tiff_that_nothing_reads_rightly_is_refused(content: bytes) -> None:
    """Neither wrong colours nor a library's own words come out, but what the layout is."""
    expected = r'TIFF of a layout that is not read.*\([34] x (8|16) bits'
    with pytest.raises(ImageError, match=expected):
        decode_image(content)


def test_signed_bytes_are_refused() -> None:
    """Levels from -128 to 127 are not taken for 128 to 255 and 0 to 127."""
    with pytest.raises(ImageError, match='8-bit integers \\(signed\\) have no agreed range'):
        decode_image(tiff(planes(RGB[..., :1]), GREY, sample_format=2, together=True))


@pytest.mark.parametrize('channels', [3, 4])
def test_bright_levels_of_deep_jpeg_2000(channels: int) -> None:
    """White of 16 bits is white (Pillow rounds it up to 256, which is 0), its alpha kept."""
    pixels = np.full((40, 50, channels), 65535, np.uint16)
    pixels[:, :20, :3] = (0x1234, 0x5678, 0x9ABC)
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    written, content = cv2.imencode('.jp2', pixels, lossless)
    assert written
    image = decode_image(content.tobytes())
    assert image.rgb[0, 49].tolist() == [255, 255, 255]
    assert image.rgb[0, 0].tolist() == [0x9A, 0x56, 0x12]  # OpenCV writes blue first
    assert image.note == '16 bits a channel were reduced to 8'


def test_pillows_own_limit_is_told_as_ours() -> None:
    """A WebP too large for Pillow is too large, not damaged."""
    buffer = io.BytesIO()
    Image.new('RGB', (4, 4)).save(buffer, 'WEBP', lossless=True)
    content = bytearray(buffer.getvalue())
    content[21:25] = b'\xff\xff\xff\x0f'  # width and height less one, 14 bits each: 16,384
    # Pillow's words come first or ours, as a larger limit was asked for in this process or not.
    expected = r'(more pixels|pixels are more) than the limit of 1,000 \(max_pixels\)'
    with pytest.raises(ImageError, match=expected):
        decode_image(bytes(content), max_pixels=1000)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of one grey-blue pixel with these chunks."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
        )

    return b''.join(
        [
            b'\x89PNG\r\n\x1a\n',
            chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0)),
            *(chunk(*each) for each in chunks),
            chunk(b'IDAT', zlib.compress(b'\0\x80\x80\x90')),
            chunk(b'IEND', b''),
        ]
    )


@pytest.mark.parametrize('name', [b'cICP', b'gAMA', b'cHRM', b'sRGB'])
def test_colour_chunks_of_a_wrong_length_are_dropped(name: bytes) -> None:
    """A chunk that decoders reject is not passed on."""
    assert decode_image(png((name, b'\x01' * 40))).colour == ()


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()


@pytest.mark.parametrize(
    ('codes', 'kept'),
    [
        ((12, 13, 0, 1), False),  # Display P3: a profile is made of it
        ((1, 13, 0, 1), False),  # sRGB needs none
        ((12, 16, 0, 1), True),  # PQ: none can be made
    ],
)
def test_cicp_outranks_the_profile(codes: tuple[int, ...], kept: bool) -> None:
    """WebP, which cannot hold cICP, gets its colours and not those of a profile beside it."""
    source = decode_image(png((b'iCCP', b'x\0\0' + zlib.compress(SRGB)), (b'cICP', bytes(codes))))
    content = encode_image(source.rgb, 'webp', source.icc_profile, source.colour)
    with Image.open(io.BytesIO(content)) as written:
        assert (written.info.get('icc_profile') == SRGB) == kept
        if codes[0] == 1:
            assert 'icc_profile' not in written.info
