"""Depths and layouts: scaled where their meaning is certain, as OpenCV reads them, or refused."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import ImageError
from bgremoval_mm.removal.images.reading import decode_image

BLACK_IS_ZERO, WHITE_IS_ZERO = 1, 0
UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def tiff(
    samples: np.ndarray | bytes,
    photometric: int = BLACK_IS_ZERO,
    bits: int = 8,
    sample_format: int = UNSIGNED,
    channels: int = 1,
    extra: tuple[tuple[int, int, int, int], ...] = (),
    order: str = '<',
    size: tuple[int, int] | None = None,
) -> bytes:
    """An uncompressed TIFF of one strip, written by hand."""
    if isinstance(samples, np.ndarray):
        size = (samples.shape[1], samples.shape[0])
        samples = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    assert size is not None
    data = samples + bytes(-len(samples) % 4)
    spread = b''.join(struct.pack(f'{order}H', value) for value in [bits] * channels)
    formats = b''.join(struct.pack(f'{order}H', value) for value in [sample_format] * channels)
    tags = {256: (4, size[0]), 257: (4, size[1]), 259: (3, 1), 262: (3, photometric)}
    tags |= {273: (4, 8), 277: (3, channels), 278: (4, size[1]), 279: (4, len(samples))}
    entries = {
        tag: (kind, 1, struct.pack(order + 'xHI'[kind - 2], value))
        for tag, (kind, value) in tags.items()
    }
    entries |= {258: (3, channels, spread), 339: (3, channels, formats)}
    entries |= {
        tag: (kind, count, struct.pack(order + 'xHI'[kind - 2], value))
        for tag, kind, count, value in extra
    }
    begin = 8 + len(data)
    rest = begin + 2 + 12 * len(entries) + 4
    table, far = b'', b''
    for tag, (kind, count, value) in sorted(entries.items()):
        if len(value) > 4:
            value, far = struct.pack(f'{order}I', rest + len(far)), far + value
        table += struct.pack(f'{order}HHI', tag, kind, count) + value.ljust(4, b'\0')
    mark = b'II*\0' if order == '<' else b'MM\0*'
    head = mark + struct.pack(f'{order}I', begin)
    return head + data + struct.pack(f'{order}H', len(entries)) + table + bytes(4) + far


def png(bits: int, colour: int, row: bytes, width: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of one line, written by hand."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
        )

    head = chunk(b'IHDR', struct.pack('>IIBBBBB', width, 1, bits, colour, 0, 0, 0))
    middle = b''.join(chunk(*each) for each in chunks)
    end = chunk(b'IDAT', zlib.compress(b'\0' + row)) + chunk(b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + head + middle + end


def grey_of(content: bytes) -> list[int]:
    """The first line of a grey picture."""
    rgb = decode_image(content).rgb
    assert (rgb == rgb[..., :1]).all()
    return rgb[0, :, 0].tolist()


def opencv(content: bytes) -> list[int]:
    """The same, as OpenCV reads it."""
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[0, :, 0].tolist()


LEVELS_16 = np.uint16([[0, 0x1234, 0x8000, 0xFFFF]])


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize(
    ('photometric', 'expected'),
    [(BLACK_IS_ZERO, [0, 0x12, 0x80, 0xFF]), (WHITE_IS_ZERO, [0xFF, 0xED, 0x7F, 0])],
)
def test_16_bit_tiff(order: str, photometric: int, expected: list[int]) -> None:
    """Scanners write white as zero; both orders of bytes, and OpenCV agrees."""
    content = tiff(LEVELS_16, photometric, 16, order=order)
    assert grey_of(content) == expected == opencv(content)
    assert decode_image(content).note == '16 bits were reduced to 8'


def test_16_bit_tiff_with_an_orientation_that_pillow_cannot_open() -> None:
    """What only OpenCV opens is turned by OpenCV, once."""
    levels = np.uint16([[0, 0], [0xFFFF, 0xFFFF], [0xFFFF, 0xFFFF]])
    for order in '<>':  # Pillow knows this layout in one order only
        source = decode_image(tiff(levels, WHITE_IS_ZERO, 16, order=order, extra=((274, 3, 1, 6),)))
        assert (source.size, source.orientation) == ((3, 2), 6)
        assert source.rgb[0, :, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize('photometric', [BLACK_IS_ZERO, WHITE_IS_ZERO])
@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_few_bits(bits: int, photometric: int) -> None:
    """From 1 to 8 bits, black or white as zero: a line from darkest to lightest level."""
    content = tiff(bytes([0, 255]), photometric, bits, size=(16 // bits, 1))
    dark, light = (0, 255) if photometric == BLACK_IS_ZERO else (255, 0)
    half = 8 // bits
    assert grey_of(content) == [dark] * half + [light] * half
    assert decode_image(content).note == ''


def test_packed_12_bits() -> None:
    """12 bits have their own range: 0xFFF is white."""
    assert grey_of(tiff(b'\xff\xf8\x00', bits=12, size=(2, 1))) == [255, 128]


def test_12_bits_in_16_are_read_as_opencv_does_and_said() -> None:
    """Nothing tells a 12-bit camera's levels from a dark photo: the note says what was seen."""
    content = tiff(np.uint16([[0, 2048, 4095]]), bits=16)
    assert grey_of(content) == [0, 8, 15] == opencv(content)
    assert 'the levels end at 4,095 of 65,535' in decode_image(content).note
    assert 'levels end' not in decode_image(tiff(np.uint16([[0, 4096]]), bits=16)).note


def test_signed_16_bits() -> None:
    """Without negative levels they are read as OpenCV reads them, else refused."""
    content = tiff(np.int16([[0, 0x4000, 0x7FFF]]), bits=16, sample_format=SIGNED)
    assert grey_of(content) == [0, 64, 127] == opencv(content)
    with pytest.raises(ImageError, match=r'16-bit integers \(from -1 to 5\) have no agreed range'):
        decode_image(tiff(np.int16([[-1, 5]]), bits=16, sample_format=SIGNED))


@pytest.mark.parametrize(
    ('photometric', 'expected'),
    [(BLACK_IS_ZERO, [0, 64, 128, 255]), (WHITE_IS_ZERO, [255, 191, 127, 0])],
)
def test_floating_point_from_0_to_1(photometric: int, expected: list[int]) -> None:
    """0 to 1 is what every program takes for black to white."""
    levels = np.float32([[0, 0.25, 0.5, 1]])
    content = tiff(levels, photometric, 32, FLOAT)
    assert grey_of(content) == expected
    assert decode_image(content).note == 'floating-point levels from 0 to 1 were scaled to 8 bits'


@pytest.mark.parametrize(
    ('levels', 'shown'),
    [
        ([0, 255], 'from 0 to 255'),
        ([0, 65535], 'from 0 to 65535'),
        ([-0.5, 1], 'from -0.5 to 1'),
        ([0, np.inf], 'from 0 to inf'),
        ([0, np.nan], 'from nan to nan'),
    ],
)
def test_other_floating_point_is_refused(levels: list[float], shown: str) -> None:
    """Neither clipped nor guessed: the error names the range and what to do."""
    content = tiff(np.float32([levels]), bits=32, sample_format=FLOAT)
    with pytest.raises(ImageError, match=f'floating-point levels {shown}: only 0 to 1 .*Scale'):
        decode_image(content)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (tiff(np.int32([[0, 255]]), bits=32, sample_format=SIGNED), r'32-bit .*\(from 0 to 255\)'),
        (tiff(np.uint32([[0, 2**32 - 1]]), bits=32), r'32-bit integers \(unsigned\)'),
        (tiff(np.uint32([[0, 9]]), WHITE_IS_ZERO, 32), '1 x 32 bits, integer'),
        (tiff(np.float64([[0, 1]]), bits=64, sample_format=FLOAT), '1 x 64 bits, floating-point'),
        (tiff(np.float16([[0, 1]]), bits=16, sample_format=FLOAT), '1 x 16 bits, floating-point'),
        (tiff(np.zeros((1, 2, 3), np.float32), 2, 32, FLOAT, 3), '3 x 32 bits, floating-point'),
    ],
)
def test_layouts_without_a_meaning_are_refused(content: bytes, message: str) -> None:
    """The error says what the file holds, and what to convert it to."""
    with pytest.raises(ImageError, match=f'{message}.*convert'):
        decode_image(content)


def test_16_bit_rgb_tiff() -> None:
    """The upper 8 bits stay, in both orders of bytes."""
    pixels = np.uint16([[[0x1234, 0x8000, 0xFFFF]]])
    for order in '<>':
        source = decode_image(tiff(pixels, 2, 16, channels=3, order=order))
        assert source.rgb.tolist() == [[[0x12, 0x80, 0xFF]]]
        assert source.note == '16 bits a channel were reduced to 8'


@pytest.mark.parametrize('associated', [1, 2])
def test_alpha_of_tiffs(associated: int) -> None:
    """Premultiplied (1) and straight (2) transparency both give the colour on white."""
    colour = 50 if associated == 1 else 100
    pixels = np.uint8([[[colour, colour, colour, 128], [0, 0, 0, 0]]])
    source = decode_image(tiff(pixels, 2, 8, channels=4, extra=((338, 3, 1, associated),)))
    assert source.alpha.tolist() == [[128, 0]]
    # 100 / 255 at half opacity over white.
    np.testing.assert_allclose(source.rgb[0, 0], 177, atol=1)
    assert source.rgb[0, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize('associated', [1, 2])
def test_alpha_of_grey_tiffs(associated: int) -> None:
    """Grey with transparency, which Pillow calls La and LA."""
    pixels = np.uint8([[[50 if associated == 1 else 100, 128], [0, 0]]])
    source = decode_image(tiff(pixels, 1, 8, channels=2, extra=((338, 3, 1, associated),)))
    assert source.alpha.tolist() == [[128, 0]]
    np.testing.assert_allclose(source.rgb[0, 0], 177, atol=1)


def test_fourth_channel_that_is_no_alpha() -> None:
    """An extra channel of unknown meaning hides nothing."""
    pixels = np.uint8([[[1, 2, 3, 0]]])
    source = decode_image(tiff(pixels, 2, 8, channels=4, extra=((338, 3, 1, 0),)))
    assert source.alpha is None
    assert source.rgb.tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(
    ('bits', 'row', 'level', 'width', 'expected'),
    [
        (1, b'\x80', 1, 2, [0, 255]),
        (2, b'\x1b', 2, 4, [255, 255, 0, 255]),
        (4, b'\x5f', 5, 2, [0, 255]),
        (8, b'\x05\x0f', 5, 2, [0, 255]),
        (16, struct.pack('>2H', 0x8001, 0x8002), 0x8001, 2, [0, 255]),
    ],
)
def test_transparent_level_of_grey_pngs(bits, row, level, width, expected) -> None:
    """PNG names one transparent level, in the file's own bits: no other level is hidden."""
    source = decode_image(png(bits, 0, row, width, (b'tRNS', struct.pack('>H', level))))
    assert source.alpha.tolist() == [expected]
    assert (source.rgb[source.alpha == 0] == 255).all()


@pytest.mark.parametrize('bits', [8, 16])
def test_transparent_colour_of_pngs(bits: int) -> None:
    """As above, for colours; of 16 bits, only the exact colour is hidden."""
    code = 'B' if bits == 8 else 'H'
    colours = [5, 6, 7, 5, 6, 8]
    row = struct.pack(f'>6{code}', *colours)
    source = decode_image(png(bits, 2, row, 2, (b'tRNS', struct.pack('>3H', 5, 6, 7))))
    assert source.alpha.tolist() == [[0, 255]]


def test_transparent_entries_of_a_palette() -> None:
    """A palette with a transparency for each of its entries."""
    chunks = ((b'PLTE', bytes((10, 20, 30, 40, 50, 60))), (b'tRNS', b'\xff\x00'))
    source = decode_image(png(8, 3, b'\0\1', 2, *chunks))
    assert source.alpha.tolist() == [[255, 0]]
    assert source.rgb.tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        (b'P5 3 1 4095\n' + struct.pack('>3H', 0, 2048, 4095), [0, 128, 255]),
        (b'P5 2 1 15\n' + bytes((0, 15)), [0, 255]),
        (b'P2 2 1 1000 0 1000\n', [0, 255]),
        (b'P4 8 1\n\xf0', [0, 0, 0, 0, 255, 255, 255, 255]),
        (b'Pf\n2 1\n-1.0\n' + struct.pack('<2f', 0, 1), [0, 255]),
    ],
)
def test_levels_of_pnm_files_follow_their_header(content: bytes, expected: list[int]) -> None:
    """Their header says which level is white."""
    assert grey_of(content) == expected


def test_pages_of_a_tiff() -> None:
    """The first page is taken, as by OpenCV and rembg; that there is a larger one is said."""
    small, large = Image.new('RGB', (4, 6), 'red'), Image.new('RGB', (40, 60))
    buffer = io.BytesIO()
    small.save(buffer, 'TIFF', save_all=True, append_images=[small, large])
    source = decode_image(buffer.getvalue())
    assert (source.size, source.rgb[0, 0].tolist()) == ((4, 6), [255, 0, 0])
    assert source.note == 'TIFF: the first of 3 pages was used; page 3 is larger (40 x 60)'
    buffer = io.BytesIO()
    large.save(buffer, 'TIFF', save_all=True, append_images=[small])
    assert decode_image(buffer.getvalue()).note == 'TIFF: the first of 2 pages was used'


def test_several_notes_are_joined() -> None:
    """Each thing to know is said once."""
    buffer = io.BytesIO()
    frames = [Image.new('I;16', (4, 4)) for _ in range(2)]
    frames[0].save(buffer, 'TIFF', save_all=True, append_images=frames[1:])
    assert decode_image(buffer.getvalue()).note == (
        'TIFF: the first of 2 pages was used; 16 bits were reduced to 8'
    )
