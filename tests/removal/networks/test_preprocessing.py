"""The network's input: rembg's to the bit, from an array and from Pillow's picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import PIL
import pytest
from PIL import Image

from bgremoval_mm.removal.networks.preprocessing import preprocess
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE

SIZES = [(40, 30), (31, 400), (640, 330), (320, 320), (1, 1), (901, 77)]


def noise(height: int, width: int, most: int = 255) -> np.ndarray:
    """A picture of noise."""
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers(0, most + 1, (height, width, 3), np.uint8)


def by_rembg(image: np.ndarray, spec) -> np.ndarray:
    """What rembg computes (rembg/sessions/base.py, `normalize`)."""
    side = (spec.size, spec.size)
    array = np.array(Image.fromarray(image).resize(side, Image.Resampling.LANCZOS))
    array = array / max(np.max(array), 1e-6)
    planes = np.zeros((*side, 3))
    for channel in range(3):
        planes[:, :, channel] = (array[:, :, channel] - spec.mean[channel]) / spec.std[channel]
    return planes.transpose((2, 0, 1)).astype(np.float32)


@pytest.mark.parametrize('model', ['u2net', 'isnet-general-use'])
@pytest.mark.parametrize('size', SIZES)
def test_equal_to_rembg_from_array_and_picture(model: str, size: tuple[int, int]) -> None:
    """Not a bit differs, whichever way the image comes; dark and black images too."""
    spec = replace(CATALOGUE[model], size=320)
    for image in (noise(*size), noise(*size, most=9), np.zeros((*size, 3), np.uint8)):
        wanted = by_rembg(image, spec)
        assert np.array_equal(preprocess(image, spec), wanted)
        assert np.array_equal(preprocess(Image.fromarray(image), spec), wanted)


def test_other_pictures_are_refused() -> None:
    """A picture of another mode has other channels: its mode is named."""
    with pytest.raises(TypeError, match=r'must be a uint8 array .* but got a picture of mode L'):
        preprocess(Image.new('L', (4, 4)), CATALOGUE['u2net'])


def test_the_order_of_passes_is_that_of_the_installed_pillow() -> None:
    """Masks are rembg's beside the same Pillow only: 13 resizes tall images rows first.

    The rule that docs/compatibility.md states, on images on both sides of its border.
    """
    rows_first = 0
    for height, width in ((1000, 400), (961, 640), (960, 640), (600, 500), (900, 321), (330, 100)):
        image, side = Image.fromarray(noise(height, width)), 320
        found = np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))
        between = {'rows': (width, side), 'columns': (side, height)}
        ways = {
            name: np.asarray(
                image.resize(size, Image.Resampling.LANCZOS).resize(
                    (side, side), Image.Resampling.LANCZOS
                )
            )
            for name, size in between.items()
        }
        is_tall = height - side > 2 * max(width - side, 0)
        first = 'rows' if is_tall and int(PIL.__version__.split('.')[0]) >= 13 else 'columns'
        rows_first += first == 'rows'
        assert np.array_equal(found, ways[first]), (height, width)
        assert not np.array_equal(ways['rows'], ways['columns'])
    assert rows_first in (0, 4)
