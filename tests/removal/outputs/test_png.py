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
from bgremoval_mm.removal.outputs.png import encode_png, profile_chunk

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
