"""Every kind of picture is read, or refused by its name with the way out; none is skipped."""

from __future__ import annotations

import base64
import io
import os
import socket
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from bgremoval_mm.removal import ImageError, read_image
from bgremoval_mm.removal.images.formats import IMAGE_SUFFIXES, kind_of
from bgremoval_mm.removal.images.opening import pixel_limit
from bgremoval_mm.removal.images.reading import decode_image, looks_like_image

# 64 x 32 pixels of grey with a red upper left quarter, turned by the container to 32 x 64, as
# libheif 1.23 with x265 encodes it. pi-heif has no encoder to make it with.
HEIC = base64.b64decode("""
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA
AAAAADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAFMAAgAAAAACPwABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVp
bmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZo
dmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAA
AwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAA
AAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAIAAAAAEAAAAAAAAAAv///+AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90
AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAH9tZGF0AAAATygBrwng6Kuc
mg//96c//+MI7L9zS9QpE5fMZxX32tH/pKIfjyqbW9c9YDK2eiloTVc93/FNh8iZZ7/jiID19Kv/K/B4Z2fj1BqlO95fAH4A
AAAGRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAA=
""")
CR3 = b'\0\0\0\x18ftypcrx \0\0\0\1crx isom'
TIFF_HEAD = b'II*\0\x08\0\0\0'


@pytest.fixture
def pixels(picture) -> np.ndarray:
    """A picture of 24 x 16 pixels."""
    return picture(24, 16)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The content of a picture's file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ('file_format', 'mode', 'name'),
    [
        ('AVIF', 'RGB', 'a.avif'),
        ('AVIF', 'RGB', 'from_a_shop.jpg'),
        ('JPEG2000', 'RGB', 'a.jp2'),
        ('JPEG2000', 'RGB', 'a'),
        ('PPM', 'RGB', 'a.ppm'),
        ('PPM', 'L', 'a.pgm'),
        ('PPM', '1', 'a.pbm'),
        ('TGA', 'RGB', 'a.TGA'),
        ('TGA', 'RGBA', 'a.tga'),
        ('TIFF', 'RGB', 'no_suffix'),
    ],
)
def test_formats_that_are_read(tmp_path: Path, pixels, file_format, mode, name) -> None:
    """The picture that was saved comes back, whatever the file's name."""
    if not features.check('avif') and file_format == 'AVIF':
        pytest.skip('this Pillow has no AVIF')
    image = Image.fromarray(pixels).convert(mode)
    options = {'quality': 100, 'subsampling': '4:4:4'} if file_format == 'AVIF' else {}
    path = tmp_path / name
    path.write_bytes(encoded(image, file_format, **options))
    assert looks_like_image(path)
    source = read_image(path)
    np.testing.assert_allclose(source.rgb.astype(int), image.convert('RGB'), atol=6)
    assert source.note == ''


def test_raw_codestream_of_jpeg_2000(pixels) -> None:
    """JPEG 2000 without its container, as scanners of archives write it."""
    content = encoded(Image.fromarray(pixels), 'JPEG2000', no_jp2=True)
    assert content.startswith(b'\xff\x4f\xff\x51')
    np.testing.assert_array_equal(decode_image(content).rgb, pixels)


def test_heic(tmp_path: Path) -> None:
    """A phone's photo, turned as its container says, read by pi-heif."""
    pytest.importorskip('pi_heif')
    path = tmp_path / 'IMG_0001.HEIC'
    path.write_bytes(HEIC)
    assert looks_like_image(path)
    source = read_image(path)
    assert (source.size, source.orientation, source.note) == ((32, 64), 1, '')
    np.testing.assert_allclose(source.rgb[4, -5].astype(int), (250, 10, 10), atol=12)
    np.testing.assert_allclose(source.rgb[-5, 4].astype(int), (90, 90, 90), atol=12)


def test_jpeg_xl(pixels) -> None:
    """A JPEG XL file is read where its plugin is installed, and measured before it is decoded."""
    pytest.importorskip('pillow_jxl')
    for options in ({}, {'exif': b'Exif\0\0II*\0\x08\0\0\0\0\0'}):
        content = encoded(Image.fromarray(pixels), 'JXL', lossless=True, **options)
        np.testing.assert_array_equal(decode_image(content).rgb, pixels)
        with pytest.raises(ImageError, match='24 x 16 pixels are more than the limit of 100'):
            decode_image(content, max_pixels=100)


@pytest.mark.parametrize('size', [(1, 1), (8, 8), (640, 480), (481, 640), (1920, 1080), (300, 7)])
def test_jpeg_xl_sizes(size: tuple[int, int]) -> None:
    """Sizes that the format codes in each of its ways."""
    pytest.importorskip('pillow_jxl')
    content = encoded(Image.new('RGB', size), 'JXL', lossless=True)
    with pytest.raises(ImageError, match=f'^{size[0]} x {size[1]} pixels'):
        decode_image(content, max_pixels=0)


@pytest.mark.parametrize(
    ('module', 'name', 'content', 'requirement'),
    [
        ('pi_heif', 'HEIC', HEIC, r'"bgremoval_mm\[formats\]"'),
        ('pillow_jxl', 'JPEG XL', b'\xff\x0a' + bytes(20), 'pillow-jxl-plugin'),
        (
            'pillow_jxl',
            'JPEG XL',
            b'\0\0\0\x0cJXL \r\n\x87\n' + b'\xff\x0a' + bytes(20),
            'pillow-jxl-plugin',
        ),
    ],
)
def test_missing_package_is_named(monkeypatch, module, name, content, requirement) -> None:
    """The error says what to install."""
    for known in [known for known in sys.modules if known.split('.')[0] == module]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImageError, match=f'{name} .*pip install {requirement}$'):
        decode_image(content)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('a.CR2', TIFF_HEAD + b'CR\2\0', 'camera RAW: develop it'),
        ('b', TIFF_HEAD + b'CR\2\0', 'camera RAW'),
        ('a.nef', TIFF_HEAD, 'camera RAW'),
        ('a.ARW', TIFF_HEAD, 'camera RAW'),
        ('a.dng', b'MM\0*\0\0\0\x08', 'camera RAW'),
        ('a.cr3', CR3, 'camera RAW'),
        ('no_suffix', CR3, 'camera RAW'),
        ('a.raf', b'FUJIFILMCCD-RAW 0201', 'camera RAW'),
        ('a.x3f', b'FOVb', 'camera RAW'),
        ('a.orf', b'IIRO', 'camera RAW'),
        ('a.iiq', b'unknown', 'camera RAW'),
        ('a.psd', b'8BPS\0\1', r'Photoshop \(PSD\): export it as PNG'),
        ('photo.jpg', b'8BPS\0\1', 'Photoshop'),
        ('a.xcf', b'gimp xcf v011', 'GIMP'),
        ('a.svg', b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'SVG: draw it as PNG'),
        ('logo', b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- ... -->\n<svg/>', 'SVG'),
        ('a.eps', b'%!PS-Adobe-3.0 EPSF-3.0', 'EPS'),
        ('a.ai', b'%PDF-1.5', r'Illustrator \(AI\)'),
        ('a.exr', b'v/1\1', 'OpenEXR'),
        ('a.hdr', b'#?RADIANCE\n', 'Radiance HDR'),
        ('a.dds', b'DDS |', 'DDS: convert it'),
        ('a.qoi', b'qoif', 'QOI'),
        ('a.jxr', b'II\xbc\1', 'JPEG XR'),
        ('a.bpg', b'BPG\xfb', 'BPG'),
        ('a.pam', b'P7\nWIDTH 1\n', 'PAM'),
        ('a.ico', b'\0\0\1\0\1\0\x10\x10\0\0', r'icon \(ICO\)'),
        ('a.pcx', b'\n\5\1\x08', 'PCX'),
        ('a.dcm', bytes(128) + b'DICM', 'DICOM'),
    ],
)
def test_known_pictures_that_are_not_read(tmp_path: Path, name, content, message) -> None:
    """They count as pictures, so that a folder's job lists them, and the error names the kind."""
    path = tmp_path / name
    path.write_bytes(content)
    assert looks_like_image(path)
    with pytest.raises(ImageError, match=f'not an image of a kind that is read, but {message}'):
        read_image(path)


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('IMG_0001.MOV', b'\0\0\0\x14ftypqt  \0\0\0\0qt  '),
        ('clip.mp4', b'\0\0\0\x18ftypmp42\0\0\0\0isommp42'),
        ('price_list.pdf', b'%PDF-1.7'),
        ('BMW.txt', b'BMW 320i, 1998, red, one owner, and more of such text'),
        ('P3.txt', b'P3 is a kind of chipset'),
        ('GIFTS', b'GIFTS for all'),
        ('IMG_0001.AAE', b'<?xml version="1.0"?><plist/>'),
        ('letter.ps', b'%!PS-Adobe-3.0\n'),
        ('new_line', b'\n\5 \x08'),
        ('.tga', b''),
    ],
)
def test_other_files_are_no_pictures(tmp_path: Path, name: str, content: bytes) -> None:
    """Films, documents and texts whose first letters happen to be a signature's."""
    (tmp_path / name).write_bytes(content)
    assert not looks_like_image(tmp_path / name)


def test_a_pdf_that_is_asked_for_is_named() -> None:
    """A document is skipped in a folder; who asks for it itself is told what it is."""
    with pytest.raises(ImageError, match='PDF: export its pages as PNG'):
        decode_image(b'%PDF-1.7\n')


@pytest.mark.parametrize('suffix', sorted(IMAGE_SUFFIXES))
def test_broken_files_count_by_their_suffix(tmp_path: Path, suffix: str) -> None:
    """An empty file with a picture's suffix is reported, not skipped."""
    path = tmp_path / f'a{suffix.upper()}'
    path.touch()
    assert looks_like_image(path)
    with pytest.raises(ImageError, match='the file is empty'):
        read_image(path)


@pytest.mark.parametrize(
    ('content', 'kind'),
    [
        (TIFF_HEAD, 'TIFF'),
        (b'II*\0\xff\xff\xff\x7f', 'TIFF'),
        (b'II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0', 'TIFF'),
        (b'RIFF\x10\0\0\0WEBPVP8 ', 'WebP'),
        (b'P6\n3 x\n', 'PNM'),
    ],
)
def test_cut_files_are_damaged_pictures(content: bytes, kind: str) -> None:
    """What has a picture's signature is called a damaged picture, not 'not an image'."""
    with pytest.raises(ImageError, match=f'cannot be decoded: a damaged {kind}'):
        decode_image(content)


@pytest.mark.parametrize(
    ('content', 'kind'),
    [
        (b'\x89PNG\r\n\x1a\n' + bytes(20), 'PNG'),
        (b'\xff\xd8\xff no photograph', 'JPEG'),
        (b'\0\0\0\x0cjP  \r\n\x87\n' + bytes(20), 'JPEG 2000'),
        (b'\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf', 'AVIF'),
    ],
)
def test_files_that_only_begin_like_a_picture(content: bytes, kind: str) -> None:
    """The error shows the first bytes, and says what they look like."""
    with pytest.raises(ImageError, match=f'not an image: .* begins with b.* as {kind} files do'):
        decode_image(content)


def directory(*entries: tuple[int, int, int, int]) -> bytes:
    """A TIFF of one directory: tag, type, count and value of each entry."""
    body = b''.join(struct.pack('<HHII', *entry) for entry in sorted(entries))
    return TIFF_HEAD + struct.pack('<H', len(entries)) + body + bytes(4) + bytes(300)


@pytest.mark.parametrize(
    'special',
    [
        [(50706, 1, 4, 0x0401)],  # DNGVersion
        [(254, 4, 1, 1), (330, 4, 1, 200)],  # a preview, and where the picture itself is
    ],
)
def test_camera_raw_without_its_suffix(special: list[tuple[int, int, int, int]]) -> None:
    """A DNG's preview, which is all that Pillow could read of it, is not taken for the photo."""
    grey = [(256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8)]
    plain = directory(*grey, (278, 3, 1, 4), (279, 4, 1, 16))
    assert decode_image(plain).size == (4, 4)
    with pytest.raises(ImageError, match='camera RAW: develop it'):
        decode_image(directory(*grey, (278, 3, 1, 4), (279, 4, 1, 16), *special))


@pytest.mark.parametrize('name', ['pipe', 'pipe.jpg'])
def test_pipes_are_never_opened(tmp_path: Path, name: str) -> None:
    """Reading a FIFO would wait for ever; the error says what it is."""
    path = tmp_path / name
    os.mkfifo(path)
    assert looks_like_image(path) is name.endswith('.jpg')
    with pytest.raises(ImageError, match=r'not a regular file but a named pipe \(FIFO\)'):
        read_image(path)


def test_devices_sockets_and_folders_are_never_read(tmp_path: Path, monkeypatch) -> None:
    """A link to an endless device does not fill the memory."""
    (tmp_path / 'zero.jpg').symlink_to('/dev/zero')
    with pytest.raises(ImageError, match='not a regular file but a character device'):
        read_image(tmp_path / 'zero.jpg')
    (tmp_path / 'zero').symlink_to('/dev/zero')
    assert not looks_like_image(tmp_path / 'zero')
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind('s.png')
        with pytest.raises(ImageError, match='not a regular file but a socket'):
            read_image(Path('s.png'))
    with pytest.raises(ImageError, match='not a regular file but a folder'):
        read_image(tmp_path)


def test_a_file_that_hides_its_size_is_limited() -> None:
    """The limit holds for what is read, not only for what the file system announces."""
    path = Path('/proc/self/status')
    if not path.exists() or path.stat().st_size:
        pytest.skip('no /proc here')
    with pytest.raises(ImageError, match='11 bytes are more than the limit of 10'):
        read_image(path, max_bytes=10)


@pytest.mark.parametrize('file_format', ['JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF', 'GIF', 'PPM', 'TGA'])
def test_max_pixels_rules_above_pillows_limit(monkeypatch, file_format: str) -> None:
    """Pillow refuses more than twice its MAX_IMAGE_PIXELS; within our calls, ours counts alone."""
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50)
    content = encoded(Image.new('RGB', (20, 20), 'red'), file_format)
    assert decode_image(content, max_pixels=400, name='a.tga').size == (20, 20)
    with pytest.raises(ImageError, match='20 x 20 pixels are more than the limit of 399'):
        decode_image(content, max_pixels=399, name='a.tga')
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(content))
    assert Image.MAX_IMAGE_PIXELS == 50


def test_other_threads_keep_pillows_limit(monkeypatch) -> None:
    """While one thread reads a large photo, another one is as guarded as before."""
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50)
    content = encoded(Image.new('RGB', (20, 20)), 'PNG')
    raised: list[BaseException] = []

    def other() -> None:
        try:
            Image.open(io.BytesIO(content))
        except Image.DecompressionBombError as err:
            raised.append(err)

    with pixel_limit(1000):
        Image.open(io.BytesIO(content))
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(raised) == 1


@pytest.mark.parametrize(
    ('name', 'content', 'kind'),
    [
        ('a', b'\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf', 'AVIF'),
        ('a', b'\0\0\0\x18ftypmsf1\0\0\0\0msf1hevc', 'HEIC'),
        ('a', b'\0\0\0\x18ftypmif1\0\0\0\0mif1heic', 'HEIC'),
        ('a.tif', TIFF_HEAD, 'TIFF'),
        ('a.tga', b'\xff\xd8\xff', 'JPEG'),
        ('a.nef', b'\xff\xd8\xff', 'JPEG'),
    ],
)
def test_content_decides_over_the_name(name: str, content: bytes, kind: str) -> None:
    """Brands tell AVIF from HEIC; a JPEG is a JPEG, however it is called."""
    found = kind_of(content, name)
    assert found is not None
    assert found.name == kind
