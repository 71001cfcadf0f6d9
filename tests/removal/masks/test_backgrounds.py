"""Other backgrounds for a photo, against their definitions on tiny arrays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bgremoval_mm.removal.masks.backgrounds import (
    blend,
    blur_background,
    fill_foreground,
    resize_and_center_crop,
)


@pytest.fixture
def square() -> np.ndarray:
    """A mask of 40 x 60 pixels with a square in the middle."""
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:40] = 255
    return mask


def test_blend_takes_a_turned_view() -> None:
    """Whatever the order in memory: a view is blended as its copy is."""
    random = np.random.default_rng(1)
    foreground, background = random.integers(0, 256, (2, 40, 7, 3)).astype(np.uint8)
    mask = random.integers(0, 256, (40, 7)).astype(np.uint8)
    turned = blend(*(each.transpose(1, 0, 2) for each in (foreground, background)), mask.T)
    np.testing.assert_array_equal(turned.transpose(1, 0, 2), blend(foreground, background, mask))


def test_blend_pixel_by_pixel() -> None:
    """m/255 of the foreground and the rest of the background, rounded."""
    random = np.random.default_rng(0)
    foreground, background = random.integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    mask = random.integers(0, 256, (5, 7)).astype(np.uint8)
    mixed = blend(foreground, background, mask)
    for row in range(5):
        for column in range(7):
            share = mask[row, column] / 255
            expected = share * foreground[row, column] + (1 - share) * background[row, column]
            assert np.abs(mixed[row, column] - expected).max() <= 0.5 + 1e-4
    assert blend(foreground.astype(np.float32), background, mask).dtype == np.float32


def test_blur_keeps_the_foreground_and_lets_none_of_it_out(square: np.ndarray) -> None:
    """Before a grey wall a red square leaves no red on the wall, whatever the blur."""
    image = np.full((40, 60, 3), 100, np.uint8)
    image[square > 0] = (255, 0, 0)
    blurred = blur_background(image, square)
    assert (blurred[square > 0] == (255, 0, 0)).all()
    assert np.abs(blurred[square == 0].astype(int) - 100).max() <= 1


def test_blur_smooths_the_background(square: np.ndarray) -> None:
    """Stripes become nearly even, their mean stays."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, ::2] = 200
    blurred = blur_background(image, square)[square == 0]
    assert blurred.std() < 0.2 * image[square == 0].std()
    assert abs(blurred.mean() - image[square == 0].mean()) < 10


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_blur_of_a_large_photo_follows_the_definition(dtype: type) -> None:
    """The copy that is blurred in its place stays close to G(image * (1 - m)) / G(1 - m)."""
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 256, (30, 20, 3)).astype(np.uint8), (400, 600))
    image[:, :80] = 255  # an edge in the background
    mask = np.zeros((600, 400), np.uint8)
    mask[150:450, 120:300] = 255
    mask = cv2.GaussianBlur(mask, (0, 0), 2)
    share = 1 - mask.astype(np.float64) / 255
    sigma = 0.04 * 600
    background = cv2.GaussianBlur(image * share[..., None], (0, 0), sigma)
    background /= np.maximum(cv2.GaussianBlur(share, (0, 0), sigma), 1e-9)[..., None]
    far = cv2.GaussianBlur(share, (0, 0), sigma) < 0.01  # where the mean takes over
    expected = image * (1 - share[..., None]) + background * share[..., None]
    blurred = blur_background(image.astype(dtype), mask)
    assert blurred.dtype == dtype
    difference = np.abs(blurred - expected)[~far]
    assert difference.mean() < 0.4
    assert difference.max() < 4


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_filled_foreground_is_gone(square: np.ndarray, dtype: type) -> None:
    """Of a red square before an even wall nothing is left; shape and dtype stay."""
    image = np.full((40, 60, 3), 100, dtype)
    image[square > 0] = (255, 0, 0)
    filled = fill_foreground(image, square)
    assert filled.dtype == dtype
    assert np.abs(filled.astype(float) - 100).max() <= 4  # inpainting is not exact
    assert (image[square > 0] == (255, 0, 0)).all()  # the photo itself is not changed


def test_far_background_is_untouched() -> None:
    """Away from the hole the photo's own pixels stay."""
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    mask = np.zeros((200, 300), np.uint8)
    mask[80:120, 130:170] = 255
    filled = fill_foreground(image, mask)
    assert (filled[:30] == image[:30]).all()
    assert (filled[:, 260:] == image[:, 260:]).all()
    assert (filled[85:115, 135:165] != image[85:115, 135:165]).mean() > 0.9


@pytest.mark.parametrize('level', [0, 255])
def test_extreme_masks(level: int) -> None:
    """No foreground: nothing changes. Nothing but foreground: one colour, no error."""
    image = np.random.default_rng(1).integers(0, 256, (30, 20, 3)).astype(np.uint8)
    mask = np.full((30, 20), level, np.uint8)
    filled, blurred = fill_foreground(image, mask), blur_background(image, mask)
    if level == 0:
        assert (filled == image).all()
    else:
        assert filled.std(axis=(0, 1)).max() < 1
        assert (blurred == image).all()


@pytest.mark.parametrize('size', [(20, 20), (10, 40), (100, 30), (7, 3)])
def test_cover(size: tuple[int, int]) -> None:
    """The size is filled, from the middle, without distortion."""
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[15:25, 25:35] = 255
    covered = resize_and_center_crop(picture, size)
    assert covered.shape == (size[1], size[0], 3)
    assert covered[size[1] // 2, size[0] // 2].min() > 100
