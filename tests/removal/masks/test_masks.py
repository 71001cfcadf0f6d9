"""Mask arithmetic, recomputed from its definition in float64."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import masks


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(0)


def test_stretch_is_rembgs_formula() -> None:
    """Min and max become 0 and 255; between, truncated as rembg does."""
    saliency = np.float32([[0.2, 0.3], [0.35, 0.7]])
    mask, constant = masks.stretch(saliency)
    assert not constant
    # (0.3 - 0.2) / 0.5 * 255 = 51.0 (50.99.. in float32), (0.35 - 0.2) / 0.5 * 255 = 76.5
    assert mask.tolist() == [[0, 51], [76, 255]] or mask.tolist() == [[0, 50], [76, 255]]
    assert mask.dtype == np.uint8


@pytest.mark.parametrize('value', [0.0, 0.5, 1.0, np.nan, np.inf])
def test_stretch_of_a_constant_map_is_empty_and_flagged(value: float) -> None:
    """No contrast, no foreground: never NaN, never a division by zero."""
    with np.errstate(all='raise'):
        mask, constant = masks.stretch(np.full((3, 4), value, np.float32))
    assert constant
    assert mask.tolist() == [[0] * 4] * 3
    assert masks.quality(mask, constant).flags == ('constant', 'empty')


@pytest.mark.parametrize('fill', [0, (0, 0, 0), 255, 7, (255, 0, 40), (123.675, 116.28, 103.53)])
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_compose_is_its_definition(rng, fill, dtype) -> None:
    """Every pair of level and mask value, against float64 arithmetic."""
    image = np.repeat(np.arange(256)[:, None], 256, 1)[..., None].repeat(3, 2).astype(dtype)
    mask = np.repeat(np.arange(256, dtype=np.uint8)[None], 256, 0)
    before = image.copy()
    out = masks.compose(image, mask, fill)
    share = mask[..., None].astype(np.float64) / 255
    expected = share * image.astype(np.float64) + (1 - share) * np.asarray(fill, np.float64)
    assert out.dtype == dtype
    assert out.shape == image.shape
    if dtype == np.float32:
        np.testing.assert_allclose(out, expected, atol=1e-4)
    else:
        # Nearest level; a colour of fractions may lie half-way within float32's precision.
        assert np.abs(out - expected).max() <= 0.5 + 1e-4
    np.testing.assert_array_equal(image, before)


def test_compose_names_both_shapes() -> None:
    """A mask of another size is refused."""
    with pytest.raises(ValueError, match=r'shape \(4, 5\), but got \(5, 4\)'):
        masks.compose(np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.uint8))


def test_compose_takes_views(rng) -> None:
    """A channel-reversed view, as BGR from RGB, gives the same as a copy."""
    image = rng.integers(0, 256, (9, 7, 3), np.uint8)
    mask = rng.integers(0, 256, (9, 7), np.uint8)
    np.testing.assert_array_equal(
        masks.compose(image[..., ::-1], mask, (1, 2, 3)),
        masks.compose(image[..., ::-1].copy(), mask, (1, 2, 3)),
    )


@pytest.mark.parametrize('fill', [-1, 256, (1, 2), (0, 0, 300), 'red', ('r', 'g', 'b'), None])
def test_check_fill_refuses(fill) -> None:
    """Anything but a level or three of them is refused with what is allowed."""
    with pytest.raises(ValueError, match='`fill` must be a level from 0 to 255'):
        masks.check_fill(fill)


def test_binarise_is_strictly_above() -> None:
    """127 is below half of 255, 128 above."""
    assert masks.binarise(np.uint8([[0, 127, 128, 255]]), 0.5).tolist() == [[0, 0, 255, 255]]


def test_resize_is_pils_lanczos(rng) -> None:
    """The filter is rembg's; the same size costs nothing."""
    mask = rng.integers(0, 256, (8, 8), np.uint8)
    expected = np.asarray(Image.fromarray(mask).resize((5, 11), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(masks.resize(mask, (5, 11)), expected)
    assert masks.resize(mask, (8, 8)) is mask


def test_attenuate_multiplies_fractions() -> None:
    """255 is one: it leaves the other factor as it is."""
    out = masks.multiply_alpha(np.uint8([[255, 128, 128]]), np.uint8([[7, 255, 128]]))
    assert out.tolist() == [[7, 128, 64]]  # 128 * 128 / 255 = 64.25


def test_bounding_box() -> None:
    """The box is half-open and ignores what is not above the threshold."""
    mask = np.zeros((6, 8), np.uint8)
    assert masks.bounding_box(mask) is None
    mask[2:4, 3:7] = 200
    mask[0, 0] = 100
    assert masks.bounding_box(mask) == (3, 2, 7, 4)
    assert masks.bounding_box(mask, threshold=0.2) == (0, 0, 7, 4)
