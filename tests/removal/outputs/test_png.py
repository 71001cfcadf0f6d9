"""PNG files as we write them."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from bgremoval_mm.removal.outputs import png
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.removal.outputs.png import decode_plain, encode_png, profile_chunk, text_chunk


@pytest.fixture(autouse=True, params=['isal', 'zlib'])
def _codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries, as an installation may lack ISA-L."""
    codec = zlib if request.param == 'zlib' else pytest.importorskip('isal.isal_zlib')
    monkeypatch.setattr(png, '_CODEC', codec)


SHAPES = [(1, 1), (1, 7), (9, 1), (33, 20), (5, 6, 3), (40, 31, 3), (1, 1, 4), (64, 57, 4)]


@pytest.mark.parametrize('plain', [False, True])
@pytest.mark.parametrize('shape', SHAPES)
def test_both_readers_give_the_pixels_back(shape: tuple[int, ...], plain: bool) -> None:
    """Pillow and OpenCV read what was written, also where a picture is cut into bands."""
    rng = np.random.default_rng(7)
    for pixels in (rng.integers(0, 256, shape, np.uint8), np.full(shape, 255, np.uint8)):
        content = encode_png(pixels, plain=plain)
        with Image.open(io.BytesIO(content)) as picture:
            assert np.array_equal(np.asarray(picture), pixels)
        read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[shape[2] if len(shape) == 3 else 1]
        assert np.array_equal(read.reshape(*shape[:2], -1)[..., order].reshape(shape), pixels)


@pytest.mark.parametrize('band', [1, 100, 1 << 20])
def test_bands_do_not_show(band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pictures are filtered in bands, and the first row of one refers to the one above."""
    monkeypatch.setattr(png, '_BAND', band)
    pixels = np.random.default_rng(3).integers(0, 256, (57, 13, 3), np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        assert np.array_equal(np.asarray(picture), pixels)


def test_arrays_in_any_order_in_memory_are_written() -> None:
    """A turned or cropped view is as good as a copy of it."""
    pixels = np.random.default_rng(4).integers(0, 256, (30, 41, 3), np.uint8)
    for view in (pixels[::-1, 3:20], pixels.transpose(1, 0, 2)):
        assert encode_png(view) == encode_png(view.copy())


def test_a_profile_takes_the_place_of_the_srgb_chunk() -> None:
    """A file describes its colours once, and Pillow reads the profile back."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    chunks = ((b'sRGB', b'\0'), (b'gAMA', struct.pack('>I', 45_455)))
    pixels = np.zeros((4, 4, 3), np.uint8)
    content = encode_image(pixels, 'png', profile, chunks)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.info['icc_profile'] == profile
        assert picture.info['gamma'] == pytest.approx(0.45455)
        assert 'srgb' not in picture.info
    with Image.open(io.BytesIO(encode_image(pixels, 'png', None, chunks))) as picture:
        assert picture.info['srgb'] == 0
        assert 'icc_profile' not in picture.info
    assert zlib.decompress(profile_chunk(profile)[1].partition(b'\0\0')[2]) == profile


@pytest.mark.parametrize(
    'pixels', [np.zeros((4, 4), bool), np.zeros((4, 4, 2), np.uint8), np.zeros(4, np.uint8)]
)
def test_other_arrays_are_refused(pixels: np.ndarray) -> None:
    """The error says what is allowed and what came."""
    with pytest.raises(ValueError, match=r'uint8 array of shape .* but got .* of shape'):
        encode_png(pixels)


def test_files_are_no_larger_than_before() -> None:
    """A soft mask and a cut-out take no more bytes than Pillow's fastest level made of them."""
    rows, columns = np.mgrid[:600, :400]
    distance = np.hypot(rows - 300, (columns - 200) * 1.5)
    mask = np.clip((220 - distance) * 8, 0, 255).astype(np.uint8)
    noise = np.random.default_rng(5).normal(0, 2, (600, 400, 3))
    photo = np.clip(columns[..., None] / 2 + rows[..., None] / 8 + noise, 0, 255).astype(np.uint8)
    photo[mask == 0] = 0
    for pixels in (mask, np.dstack([photo, mask])):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, 'PNG', compress_level=1)
        assert len(encode_png(pixels)) < 1.05 * buffer.tell()


def test_a_plain_mask_comes_back_with_its_texts() -> None:
    """What `encode_png` wrote is read as Pillow reads it, in one piece or several."""
    texts = {'a': 'one', 'a b': '{"n": 1}', 'void': '', 'latin': '\xe9'}
    chunks = [text_chunk(key, text) for key, text in texts.items()]
    rng = np.random.default_rng(5)
    for shape in ((1, 1), (1, 9), (320, 320), (2000, 2001)):
        pixels = rng.integers(0, 256, shape, np.uint8)
        content = encode_png(pixels, chunks, plain=True)
        found = decode_plain(content)
        assert found is not None
        with Image.open(io.BytesIO(content)) as picture:
            assert np.array_equal(found[0], np.asarray(picture))
            assert found[1] == texts == picture.info
    assert content.count(b'IDAT') > 1


def test_no_damaged_byte_is_passed_over() -> None:
    """Whichever byte of a plain mask changes, or wherever it ends: it is left to Pillow."""
    pixels = np.random.default_rng(6).integers(0, 2, (7, 9), np.uint8)
    content = encode_png(pixels, [text_chunk('key', 'text')], plain=True)
    assert decode_plain(content) is not None
    for index in range(len(content)):
        changed = bytearray(content)
        changed[index] ^= 1
        assert decode_plain(bytes(changed)) is None, index
        assert decode_plain(content[:index]) is None, index
    assert decode_plain(content + b'more') is None


def _file(header: bytes, data: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG with these bodies."""
    chunks = [(b'IHDR', header), *more, (b'IDAT', data), (b'IEND', b'')]
    return png._SIGNATURE + b''.join(png._chunk(name, body) for name, body in chunks)


def test_other_pngs_are_left_to_pillow() -> None:
    """Filters, colours, other chunks, and pixels that are too many or too few."""
    grey = struct.pack('>2I5B', 2, 1, 8, 0, 0, 0, 0)
    assert decode_plain(_file(grey, zlib.compress(b'\0ab'))) is not None
    for data in (b'\0a', b'\0abc', b'\1ab', b''):
        assert decode_plain(_file(grey, zlib.compress(data))) is None, data
    assert decode_plain(_file(grey, zlib.compress(b'\0ab') + b'x')) is None
    assert decode_plain(_file(grey, zlib.compress(b'\0ab')[:-1])) is None
    assert decode_plain(_file(grey, zlib.compress(b'\0ab'), (b'tRNS', b'\0a'))) is None
    assert decode_plain(_file(grey, zlib.compress(b'\0ab'), (b'tEXt', b'key'))) is None
    for kind in ((16, 0, 0, 0, 0), (8, 2, 0, 0, 0), (8, 3, 0, 0, 0), (8, 0, 0, 0, 1)):
        header = struct.pack('>2I5B', 2, 1, *kind)
        assert decode_plain(_file(header, zlib.compress(b'\0ab'))) is None, kind
    assert decode_plain(_file(struct.pack('>2I5B', 2**31, 2**31, *png._GREY), b'')) is None
    assert decode_plain(b'') is decode_plain(b'RIFF') is None
    assert decode_plain(encode_png(np.zeros((3, 3, 3), np.uint8), plain=True)) is None
    photo = np.arange(60, dtype=np.uint8).reshape(6, 10)
    assert decode_plain(encode_png(photo)) is None
