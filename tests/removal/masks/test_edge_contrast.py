"""Contrast along the outline: squares whose sides have one colour inside and another outside."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bgremoval_mm.removal.masks.edge_contrast import weak_edge

SIDE = 160


def square() -> np.ndarray:
    """A mask: a square in the middle."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[40:120, 40:120] = 255
    return mask


def photo(mask: np.ndarray, inside: int, outside: int) -> np.ndarray:
    """A photo of two greys."""
    return np.repeat(np.where(mask > 127, inside, outside).astype(np.uint8)[..., None], 3, 2)


def lightness(grey: int) -> float:
    """CIELAB's L of a grey, which is all that greys differ by."""
    pixel = np.full((1, 1, 3), grey / 255, np.float32)
    return float(cv2.cvtColor(pixel, cv2.COLOR_RGB2LAB)[0, 0, 0])


@pytest.mark.parametrize(('outside', 'share'), [(200, 0.0), (100, 1.0), (109, 1.0), (116, 0.0)])
def test_a_difference_of_five_is_the_limit(outside: int, share: float) -> None:
    """Greys 100 and 109 differ by less than 5 in CIELAB, 100 and 116 by more."""
    assert (abs(lightness(outside) - lightness(100)) < 5) == bool(share)
    mask = square()
    assert weak_edge(photo(mask, 100, outside), mask) == share


def test_one_side_of_four() -> None:
    """About a quarter of the outline is weak where one side's background has the object's grey."""
    mask = square()
    image = photo(mask, 100, 200)
    image[:40] = 100
    assert weak_edge(image, mask) == pytest.approx(0.25, abs=0.06)


def test_the_image_edge_is_no_outline() -> None:
    """Of an object that fills the left half, only the line in the middle counts."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, :80] = 255
    image = photo(mask, 100, 200)
    image[:80, 80:] = 100
    assert weak_edge(image, mask) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize('level', [0, 255])
def test_no_outline(level: int) -> None:
    """Without one there is nothing to trust."""
    mask = np.full((8, 12), level, np.uint8)
    assert weak_edge(photo(mask, 1, 2), mask) == 1.0


def test_resolutions_may_differ() -> None:
    """Photo and mask are brought to one size; a photo's size hardly matters."""
    mask = square()
    image = photo(mask, 100, 200)
    image[:40] = 100
    wide = cv2.resize(image, (900, 600), interpolation=cv2.INTER_NEAREST)
    assert weak_edge(wide, mask) == pytest.approx(weak_edge(image, mask), abs=0.05)
