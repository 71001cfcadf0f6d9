"""Mutated files of every format: a picture of the announced size or an ImageError, no crash."""

from __future__ import annotations

import io
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import ImageError, ModelSpec, read_image, remove_tree

FILES = 2400
# PIL's default for what it decodes of compressed texts and profiles is small; one photo is fast.
SECONDS_A_FILE = 5.0


def seeds(picture: Callable[..., np.ndarray]) -> dict[str, bytes]:
    """One good file of each kind: plain, progressive, with EXIF, palette, transparency, 16 bits."""
    pixels = picture(96, 64)
    rgb = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = {
        'baseline.jpg': (rgb, 'JPEG', {'exif': exif}),
        'progressive.jpg': (rgb, 'JPEG', {'progressive': True, 'quality': 60}),
        'cmyk.jpg': (rgb.convert('CMYK'), 'JPEG', {}),
        'rgb.png': (rgb, 'PNG', {'exif': exif}),
        'palette.png': (rgb.quantize(16), 'PNG', {'transparency': 3}),
        'grey16.png': (Image.fromarray(pixels[..., 0].astype(np.uint16) * 256), 'PNG', {}),
        'lossy.webp': (rgb, 'WEBP', {'exif': exif}),
        'alpha.webp': (rgb.convert('RGBA'), 'WEBP', {'lossless': True}),
        'deflate.tif': (rgb, 'TIFF', {'exif': exif, 'compression': 'tiff_adobe_deflate'}),
        'grey16.tif': (Image.fromarray(pixels[..., 0].astype(np.uint16) * 256), 'TIFF', {}),
        'plain.ppm': (rgb, 'PPM', {}),
        'plain.tga': (rgb, 'TGA', {'rle': True}),
        'plain.jp2': (rgb, 'JPEG2000', {}),
        'plain.avif': (rgb, 'AVIF', {'exif': exif}),
    }
    files = {}
    for name, (image, kind, options) in kinds.items():
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files[name] = buffer.getvalue()
    return files


def mutate(content: bytes, chance: random.Random) -> bytes:
    """One of: bytes changed, a part cut out, doubled or zeroed, the end missing, sizes forged."""
    data = bytearray(content)
    kind = chance.randrange(6)
    if kind == 0:
        for _ in range(chance.randint(1, 30)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 1:
        begin = chance.randrange(len(data))
        del data[begin : begin + chance.randint(1, 200)]
    elif kind == 2:
        begin = chance.randrange(len(data))
        data[begin:begin] = data[begin : begin + chance.randint(1, 200)]
    elif kind == 3:
        del data[chance.randrange(len(data)) :]
    elif kind == 4:
        begin = chance.randrange(len(data))
        length = min(chance.randint(1, 100), len(data) - begin)
        data[begin : begin + length] = bytes(length)
    else:
        # Lengths and sizes stand in the first bytes of all formats.
        begin = chance.randrange(2, min(200, len(data) - 4))
        data[begin : begin + 4] = chance.choice(
            [b'\xff\xff\xff\xff', b'\x00\x00\x00\x00', b'\x7f\xff']
        )
    return bytes(data)


@pytest.mark.slow
def test_mutated_files(tmp_path: Path, picture: Callable[..., np.ndarray]) -> None:
    """Each of 2,400 mutated files is read, with the right size, or refused with a reason."""
    chance = random.Random(0)
    outcomes: Counter[str] = Counter()
    originals = seeds(picture)
    for index in range(FILES):
        name = list(originals)[index % len(originals)]
        path = tmp_path / f'{index}-{name}'
        path.write_bytes(mutate(originals[name], chance))
        started = time.monotonic()
        try:
            source = read_image(path, max_pixels=1_000_000)
        except ImageError as err:
            outcomes['refused' if str(err) else 'refused without a reason'] += 1
        else:
            assert source.rgb.dtype == np.uint8
            assert source.rgb.shape == (source.size[1], source.size[0], 3)
            assert source.alpha is None or source.alpha.shape == source.rgb.shape[:2]
            outcomes['read'] += 1
        assert time.monotonic() - started < SECONDS_A_FILE, path
        path.unlink()
    assert set(outcomes) == {'read', 'refused'}
    # Both ways are really taken: the mutations are neither harmless nor fatal throughout.
    assert outcomes['read'] > FILES // 10
    assert outcomes['refused'] > FILES // 10


def test_job_over_mutated_files(
    tmp_path: Path, picture: Callable[..., np.ndarray], tiny_model: Callable[..., ModelSpec]
) -> None:
    """A job over mutated files: for each a mask of its image's size, or a reason."""
    chance = random.Random(1)
    source = tmp_path / 'photos'
    source.mkdir()
    originals = seeds(picture)
    for index in range(160):
        name = list(originals)[index % len(originals)]
        (source / f'{index:03}-{name}').write_bytes(mutate(originals[name], chance))
    masks = tmp_path / 'masks'
    spec = tiny_model('u2netp')
    summary = remove_tree(
        source, masks, spec, output='mask', device='cpu', max_pixels=1_000_000, progress=False
    )
    assert summary.done + len(summary.failed) == 160
    assert all(summary.failed.values())
    for path in sorted(source.iterdir()):
        if path.name in summary.failed:
            continue
        (mask,) = masks.rglob(f'{path.name}*')
        with Image.open(mask) as image:
            assert image.size == read_image(path).size
