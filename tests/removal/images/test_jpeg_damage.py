"""JPEGs that decoders read without a word though a part of the photo is not there."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal.images.reading import decode_image

END = b'\xff\xd9'


@pytest.fixture
def photo() -> Image.Image:
    """Noise on a slope, 256 x 192: as hard to code as a photo's detail."""
    chance = np.random.default_rng(0)
    slope = np.linspace(40, 200, 256)[None, :, None] + np.zeros((192, 1, 3))
    return Image.fromarray(np.clip(slope + chance.normal(0, 12, slope.shape), 0, 255).astype('u1'))


def jpeg(image: Image.Image, **options: object) -> bytes:
    """The content of a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', **{'quality': 90, **options})
    return buffer.getvalue()


def note_of(content: bytes) -> str:
    """What reading a file notes."""
    return decode_image(content).note


KINDS = [
    {},
    {'optimize': True},
    {'progressive': True},
    {'subsampling': 0},
    {'subsampling': 1},
    {'restart_marker_blocks': 4},
    {'restart_marker_rows': 1, 'progressive': True},
]


@pytest.mark.parametrize('options', KINDS)
@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
def test_whole_files_are_not_called_damaged(photo, options, mode: str) -> None:
    """Whatever way a JPEG is coded in."""
    assert 'damaged' not in note_of(jpeg(photo.convert(mode), **options))


@pytest.mark.parametrize('options', KINDS)
@pytest.mark.parametrize('level', [0, 127, 128, 255])
@pytest.mark.parametrize('margin', [64, 192])
def test_plain_margins_are_not_called_damaged(photo, options, level: int, margin: int) -> None:
    """A grey, black or white part is a photo's own, above all in studios; so is a plain picture."""
    pixels = np.array(photo)
    pixels[192 - margin :] = level
    assert note_of(jpeg(Image.fromarray(pixels), **options)) == ''


@pytest.mark.parametrize('tail', [b'PK\3\4' + bytes(500), b'\0\0\0\x18ftypmp42' + bytes(900)])
def test_what_follows_the_end_is_no_damage(photo, tail: bytes) -> None:
    """Motion photos and archives are appended to whole JPEGs."""
    assert note_of(jpeg(photo) + tail) == ''


@pytest.mark.parametrize('options', [{}, {'optimize': True}, {'subsampling': 0}])
@pytest.mark.parametrize('mode', ['RGB', 'L'])
def test_missing_end_that_was_closed(photo, options, mode: str) -> None:
    """The share is that of the picture that decoders fill with grey."""
    content = jpeg(photo.convert(mode), **options)
    begin = content.rindex(b'\xff\xda')
    cut = begin + (len(content) - begin) * 2 // 3
    note = note_of(content[:cut] + END)
    share = int(note.removeprefix('damaged: ').split('%')[0])
    assert note == f'damaged: {share}% of the picture is missing'
    assert share == pytest.approx(33, abs=5)


@pytest.mark.parametrize('share', [0.07, 0.2, 0.45])
def test_progressive_file_that_was_closed(photo, share: float) -> None:
    """The scans that add detail never came: the picture is blurred, or nearly empty."""
    content = jpeg(photo, progressive=True)
    begin = content.index(b'\xff\xda')
    cut = begin + round((len(content) - begin) * share)
    assert note_of(content[:cut] + END) == 'damaged: scans are missing, so that details are'


def test_zeros_up_to_the_end(photo) -> None:
    """A download whose space was reserved, but never filled."""
    content = jpeg(photo)
    half = len(content) // 2
    note = note_of(content[:half] + bytes(3 * half))
    assert note == 'damaged: the end of the file is missing'


@pytest.mark.parametrize('subsampling', [0, 2])
def test_hole_of_zeros(photo, subsampling: int) -> None:
    """A sector that was never written."""
    content = jpeg(photo, subsampling=subsampling)
    half = len(content) // 2
    for closed in (content[half + 512 :], END):
        note = note_of(content[:half] + bytes(512) + closed)
        assert note.startswith('damaged: 51')
        assert note.endswith('bytes of zeros stand within the picture')


def test_lost_restart_markers(photo) -> None:
    """A part is missing from the middle: the markers' numbers jump."""
    content = jpeg(photo, restart_marker_blocks=4)
    half = len(content) // 2
    lost = content[half : half + 600]
    assert sum(lost.count(bytes((0xFF, code))) for code in range(0xD0, 0xD8)) % 8 != 0
    note = note_of(content[:half] + content[half + 600 :])
    assert note == 'damaged: a part within the picture is missing'


def test_damage_is_told_beside_the_other_notes(photo) -> None:
    """A print shop's broken file has both."""
    content = jpeg(photo.convert('CMYK'))
    note = note_of(content[: len(content) * 2 // 3] + END)
    assert note.startswith('damaged: ')
    assert note.endswith('% of the picture is missing; CMYK was converted without a colour profile')
