"""One rule of orientation: EXIF alone, as OpenCV reads it, whatever the format."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from bgremoval_mm.removal.images.reading import read_image, read_stored

SAVE_OPTIONS = {
    'jpg': {'quality': 100, 'subsampling': 0},
    'png': {},
    'webp': {'lossless': True},
    'tif': {},
    'lzw.tif': {'compression': 'tiff_lzw'},
}
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description xmlns:tiff='
    b'"http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></x:xmpmeta>'
)


@pytest.fixture
def corners() -> np.ndarray:
    """16 x 24 picture with a colour in each corner but one: no two orientations look alike."""
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :12] = (250, 0, 0)
    pixels[:8, 12:] = (0, 250, 0)
    pixels[8:, :12] = (0, 0, 250)
    return pixels


def opencv(path: Path) -> np.ndarray:
    """What mmcv's loader gives, which decodes from memory, as RGB."""
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def exif_of(orientation: int) -> Image.Exif:
    """An EXIF block that says nothing else."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def block(order: str, kind: int, value: bytes, entries: int = 1) -> bytes:
    """An EXIF block of one entry, written by hand: orientation of any type."""
    mark = b'II*\0' if order == '<' else b'MM\0*'
    head = mark + struct.pack(f'{order}IH', 8, entries)
    return b'Exif\0\0' + head + struct.pack(f'{order}HHI', 0x112, kind, 1) + value.ljust(8, b'\0')


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', SAVE_OPTIONS)
def test_agrees_with_opencv(tmp_path: Path, corners, suffix: str, orientation: int) -> None:
    """Each of the eight orientations gives what mmcv's loader of a training gives."""
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(corners).save(path, exif=exif_of(orientation), **SAVE_OPTIONS[suffix])
    source = read_image(path)
    seen = opencv(path)
    assert source.orientation == orientation
    assert source.size == (seen.shape[1], seen.shape[0])
    np.testing.assert_allclose(source.rgb.astype(int), seen, atol=3)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', SAVE_OPTIONS)
def test_stored_pixels_are_not_turned(tmp_path: Path, corners, suffix: str, orientation) -> None:
    """A loader that heeds no orientation gets these pixels, of TIFFs too, which Pillow turns."""
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(corners).save(path, exif=exif_of(orientation), **SAVE_OPTIONS[suffix])
    np.testing.assert_allclose(read_stored(path).astype(int), corners, atol=3)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif'])
def test_xmp_does_not_turn(tmp_path: Path, corners, suffix: str) -> None:
    """Pillow turns by XMP where EXIF is silent; OpenCV does not, nor do browsers."""
    path = tmp_path / f'a.{suffix}'
    options = {'xmp': XMP, **SAVE_OPTIONS[suffix]}
    if suffix == 'png':
        info = PngInfo()
        info.add_itxt('XML:com.adobe.xmp', XMP.decode())
        options = {'pnginfo': info}
    elif suffix == 'tif':
        options = {'tiffinfo': {700: XMP}}
    Image.fromarray(corners).save(path, **options)
    source = read_image(path)
    assert (source.size, source.orientation) == ((24, 16), 1)
    assert opencv(path).shape == (16, 24, 3)


@pytest.mark.parametrize('compressed', [False, True])
def test_text_chunk_does_not_turn(tmp_path: Path, corners, compressed: bool) -> None:
    """ImageMagick 6 keeps an EXIF block as text, which viewers and OpenCV do not apply."""
    data = exif_of(6).tobytes()
    data = data if data.startswith(b'Exif') else b'Exif\0\0' + data
    info = PngInfo()
    text = f'\nexif\n{len(data):8d}\n{data.hex()}\n'
    info.add_text('Raw profile type exif', text, zip=compressed)
    path = tmp_path / 'a.png'
    Image.fromarray(corners).save(path, pnginfo=info)
    assert read_image(path).size == (24, 16)
    assert opencv(path).shape == (16, 24, 3)


def test_exif_behind_the_pixels_of_a_png(tmp_path: Path, corners) -> None:
    """The chunk may stand at the end of the file."""
    buffer = io.BytesIO()
    Image.fromarray(corners).save(buffer, 'PNG')
    content, body = buffer.getvalue(), exif_of(6).tobytes().removeprefix(b'Exif\0\0')
    chunk = struct.pack('>I', len(body)) + b'eXIf' + body
    chunk += struct.pack('>I', zlib.crc32(b'eXIf' + body))
    path = tmp_path / 'a.png'
    path.write_bytes(content[:-12] + chunk + content[-12:])
    assert read_image(path).size == (16, 24)
    assert opencv(path).shape == (24, 16, 3)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp'])
@pytest.mark.parametrize(
    ('data', 'orientation'),
    [
        (block('<', 3, b'\6\0'), 6),
        (block('>', 3, b'\0\6'), 6),
        (block('<', 4, b'\6\0\0\0'), 6),
        # Big-endian numbers of four bytes, or of one: OpenCV takes the first two bytes.
        (block('>', 4, b'\0\0\0\6'), 1),
        (block('<', 1, b'\6'), 6),
        (block('>', 1, b'\6'), 1),
        (block('<', 3, b'\0\0'), 1),
        (block('<', 3, b'\x09\0'), 1),
        (block('<', 3, b'\6\0', entries=200), 6),
        (b'Exif\0\0' + b'garbage' * 5, 1),
        (b'Exif\0\0II*\0\xff\xff\xff\xff', 1),
        (b'Exif\0\0II', 1),
    ],
)
def test_odd_exif_hides_no_photograph(
    tmp_path: Path, corners, suffix: str, data: bytes, orientation: int
) -> None:
    """Whatever an EXIF block holds, the photo is read, turned as OpenCV turns it."""
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(corners).save(path, exif=data, **SAVE_OPTIONS[suffix])
    source = read_image(path)
    assert source.orientation == orientation
    assert source.rgb.shape == opencv(path).shape


def test_tiff_with_a_broken_exif_directory(tmp_path: Path, corners) -> None:
    """A TIFF whose EXIF pointer leads nowhere is read all the same."""
    path = tmp_path / 'a.tif'
    Image.fromarray(corners).save(path, tiffinfo={34665: 0x7FFFFFF0, 274: 3})
    source = read_image(path)
    assert source.orientation == 3
    np.testing.assert_array_equal(source.rgb, corners[::-1, ::-1])


def test_avif_is_turned_as_its_container_says(tmp_path: Path, corners) -> None:
    """AVIF has its own turn, which browsers apply; Pillow writes the EXIF tag as such."""
    path = tmp_path / 'a.avif'
    Image.fromarray(corners).save(path, exif=exif_of(6), quality=100, subsampling='4:4:4')
    source = read_image(path)
    assert (source.size, source.orientation) == ((16, 24), 6)
    np.testing.assert_allclose(source.rgb.astype(int), np.rot90(corners, -1), atol=6)


def test_avif_with_an_odd_exif_block(tmp_path: Path, corners) -> None:
    """libavif refuses such a file; the photo is read, turned as its container says."""
    exif = exif_of(6)
    exif[ExifTags.Base.ImageDescription] = 'a photo'
    path = tmp_path / 'a.avif'
    Image.fromarray(corners).save(path, exif=exif)
    content = path.read_bytes()
    at = max(content.find(b'MM\0*'), content.find(b'II*\0'))
    path.write_bytes(content[:at] + b'####' + content[at + 4 :])
    source = read_image(path)
    assert (source.size, source.orientation) == ((16, 24), 6)
