"""Reading photographs: every format, orientation and kind of damage."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from bgremoval_mm.removal import ImageError, read_image
from bgremoval_mm.removal.images import regular_files
from bgremoval_mm.removal.images.reading import SourceStamp, looks_like_image, read_stored
from bgremoval_mm.removal.images.regular_files import read_within


def save(image: Image.Image, path: Path, **options: object) -> Path:
    """Write a picture; the format may differ from the name's suffix."""
    image.save(path, **options)
    return path


@pytest.fixture
def corner() -> np.ndarray:
    """8 x 16 picture whose top left corner is red: which way is up can be told."""
    pixels = np.full((8, 16, 3), 90, np.uint8)
    pixels[:4, :8] = (250, 10, 10)
    return pixels


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_undone(tmp_path: Path, corner, orientation: int) -> None:
    """A camera's turned file and its tag give the upright picture, as OpenCV gives it too."""
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    raw = Image.fromarray(corner)
    if turns[orientation] is not None:
        raw = raw.transpose(turns[orientation])
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = save(raw, tmp_path / 'a.jpg', exif=exif, quality=100, subsampling=0)
    source = read_image(path)
    assert source.orientation == orientation
    assert source.size == (16, 8)
    assert source.rgb.shape == (8, 16, 3)
    assert np.abs(source.rgb.astype(int) - corner).max() < 8
    import cv2

    np.testing.assert_allclose(cv2.imread(str(path))[..., ::-1].astype(int), source.rgb, atol=3)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    """A print shop's JPEG is converted, not refused."""
    path = save(Image.new('CMYK', (4, 4), (0, 255, 255, 0)), tmp_path / 'a.jpg')
    red = read_image(path).rgb[0, 0]
    assert red[0] > 200
    assert red[1:].max() < 60


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    """Level 0x8000 of 16 bits is level 0x80 of 8; PIL's conversion would give 255."""
    path = tmp_path / 'a.png'
    Image.fromarray(np.uint16([[0, 0x8000, 0xFFFF]])).save(path)
    assert read_image(path).rgb[0, :, 0].tolist() == [0, 0x80, 0xFF]


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P'])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    """Colours hidden under full transparency are not shown to the network."""
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0] = (40, 40, 40, 255)
    image = Image.fromarray(pixels, 'RGBA')
    if mode == 'P':
        image = image.quantize(4)
    elif mode == 'LA':
        image = image.convert('LA')
    source = read_image(save(image, tmp_path / 'a.png'))
    assert np.abs(source.rgb[0].astype(int) - 40).max() <= 2
    assert (source.rgb[1] == 255).all()
    assert source.alpha.tolist() == [[255, 255], [0, 0]]


def test_opaque_image_has_no_alpha(tmp_path: Path) -> None:
    """An alpha channel that hides nothing is none."""
    path = save(Image.new('RGBA', (2, 2), (1, 2, 3, 255)), tmp_path / 'a.png')
    assert read_image(path).alpha is None


def test_animation_gives_its_first_frame_and_says_so(tmp_path: Path) -> None:
    """The user learns that frames were left out."""
    frames = [Image.new('RGB', (4, 4), colour) for colour in ('red', 'lime', 'blue')]
    path = save(frames[0], tmp_path / 'a.gif', save_all=True, append_images=frames[1:])
    source = read_image(path)
    assert source.rgb[0, 0].tolist() == [255, 0, 0]
    assert source.note == 'animation: the first of 3 frames was used'


@pytest.mark.parametrize('size', [(1, 1), (10_000, 1)])
def test_extreme_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    """One pixel, and one line of pixels, are images."""
    assert read_image(save(Image.new('RGB', size), tmp_path / 'a.png')).size == size


def test_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The limit in bytes is the user's; a file of just that size is read."""
    path = tmp_path / 'a.bmp'
    Image.new('RGB', (8, 8)).save(path)
    size = path.stat().st_size
    assert read_image(path, max_bytes=size).size == (8, 8)
    with pytest.raises(ImageError, match=f'{size:,} bytes are more than the limit of 100'):
        read_image(path, max_bytes=100)


def test_decompression_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    """A small file of very many pixels costs no memory."""
    buffer = io.BytesIO()
    Image.new('1', (20_000, 20_000)).save(buffer, 'PNG')
    path = tmp_path / 'bomb.png'
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ImageError, match=r'decompression bomb|more than the limit'):
        read_image(path)
    small = save(Image.new('RGB', (11, 10)), tmp_path / 'small.png')
    with pytest.raises(ImageError, match='11 x 10 pixels are more than the limit of 100'):
        read_image(small, max_pixels=100)


def damaged(folder: Path) -> dict[str, tuple[Path, str]]:
    """Damaged files and what their error must say."""
    good = save(
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)),
        folder / 'good.jpg',
    ).read_bytes()
    cases = {
        'truncated.jpg': (good[: len(good) // 2], 'truncated'),
        'empty.jpg': (b'', 'the file is empty'),
        'page.jpg': (b'<html><body>404</body></html>', "begins with b'<html>"),
        'header.png': (b'\x89PNG\r\n\x1a\n' + b'\0' * 20, 'begins with|cannot be decoded'),
        'script.gif': (b'GIF89a' + b'\xff' * 8, 'begins with|cannot be decoded'),
    }
    made = {}
    for name, (content, message) in cases.items():
        (folder / name).write_bytes(content)
        made[name] = (folder / name, message)
    return made


@pytest.mark.parametrize(
    'name', ['truncated.jpg', 'empty.jpg', 'page.jpg', 'header.png', 'script.gif']
)
def test_damage_is_an_image_error_with_its_reason(tmp_path: Path, name: str) -> None:
    """Whatever a decoder raises becomes one kind of error."""
    path, message = damaged(tmp_path)[name]
    with pytest.raises(ImageError, match=message):
        read_image(path)


@pytest.mark.parametrize('tag', [254, 258, 262, 277])
@pytest.mark.parametrize('kind', [2, 4, 7, 12])
def test_tags_of_another_type(tmp_path: Path, tag: int, kind: int) -> None:
    """One changed byte of a TIFF's directory: it is read or refused, and nothing else is raised."""
    path = save(Image.new('RGB', (6, 4)), tmp_path / 'a.tif', tiffinfo={254: 0})
    content = bytearray(path.read_bytes())
    begin = int.from_bytes(content[4:8], 'little')
    count = int.from_bytes(content[begin : begin + 2], 'little')
    entries = range(begin + 2, begin + 2 + 12 * count, 12)
    (at,) = [each for each in entries if int.from_bytes(content[each : each + 2], 'little') == tag]
    content[at + 2] = kind
    path.write_bytes(content)
    for read in (read_image, read_stored):
        with suppress(ImageError):
            read(path)


def test_limit_beyond_all_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is taken for the file, not for the limit; what has grown meanwhile is read, too."""
    path = save(Image.new('RGB', (6, 4)), tmp_path / 'a.png')
    assert read_image(path, max_bytes=1 << 70).size == (6, 4)
    content = path.read_bytes()
    monkeypatch.setattr(regular_files, '_PIECE', 7)
    for expected in (0, 5, len(content), len(content) + 9):
        assert read_within(io.BytesIO(content), len(content), expected) == content
        with pytest.raises(ImageError, match='more than the limit'):
            read_within(io.BytesIO(content), len(content) - 1, expected)


def test_only_photographs_formats_are_opened(tmp_path: Path) -> None:
    """PIL could open a PostScript or ICO file; a photo folder has no business with them."""
    path = save(Image.new('RGB', (16, 16)), tmp_path / 'a.png', format='ICO')
    with pytest.raises(ImageError, match='not an image'):
        read_image(path)


@pytest.mark.parametrize(
    ('name', 'content', 'expected'),
    [
        ('mig (5)', b'\xff\xd8\xff\xe0', True),
        ('コピー', b'\x89PNG\r\n\x1a\n', True),
        ('photo.webp', b'RIFF1234WEBP', True),
        ('no_suffix', b'RIFF1234WEBP', True),
        ('sound.wav', b'RIFF1234WAVE', False),
        ('broken.JPG', b'', True),
        ('notes.txt', b'hello', False),
        ('LICENSE', b'', False),
    ],
)
def test_images_are_known_by_content_or_suffix(
    tmp_path: Path, name: str, content: bytes, expected: bool
) -> None:
    """Files without a suffix count by content, broken ones by their suffix."""
    (tmp_path / name).write_bytes(content)
    assert looks_like_image(tmp_path / name) is expected


def test_stamp_matches_content(tmp_path: Path) -> None:
    """Equal time is trusted; another time makes it compare contents; another size is enough."""
    import os

    path = tmp_path / 'a'
    path.write_bytes(b'abc')
    status = path.stat()
    # sha256 of "abc": FIPS 180-2, appendix B.1.
    digest = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    stamp = SourceStamp(digest, 3, status.st_mtime_ns)
    assert stamp.matches(path)
    os.utime(path, ns=(0, 0))
    assert stamp.matches(path)
    path.write_bytes(b'abd')
    assert not stamp.matches(path)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert stamp.matches(path)  # The known blind spot of comparing times...
    assert not stamp.matches(path, always_hash=True)  # ...which --checksum closes.
