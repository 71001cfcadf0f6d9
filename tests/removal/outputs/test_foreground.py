"""Foreground colours under soft edges, and alpha matting."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from bgremoval_mm.removal import estimate_foreground
from bgremoval_mm.removal.outputs import matting
from bgremoval_mm.removal.outputs.matting import (
    MattingError,
    check_installed,
    make_trimap,
    refine_mask,
)


def disc(side: int = 200, blur: float = 3) -> np.ndarray:
    """A soft disc: uint8 (side, side)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    hard = np.where(np.hypot(x, y) < side / 3, np.uint8(255), np.uint8(0))
    return cv2.GaussianBlur(hard, (0, 0), blur)


def mixed(foreground: np.ndarray, background: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """``a F + (1 - a) B``, rounded."""
    share = mask[..., None] / 255
    return np.rint(share * foreground + (1 - share) * background).astype(np.uint8)


def textured(colour: tuple[int, int, int], seed: int, side: int = 200) -> np.ndarray:
    """A colour with a smooth texture."""
    noise = np.random.default_rng(seed).normal(0, 40, (side, side, 3))
    return np.clip(colour + cv2.GaussianBlur(noise, (0, 0), 4) * 4, 0, 255)


def test_by_definition() -> None:
    """Blur fusion written out, pixel by pixel, on a tiny picture."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 7, 3), np.uint8)
    mask = np.array([0, 255, 60, 128, 200, 1], np.uint8)[rng.integers(0, 6, (6, 7))]
    share, photo = mask / 255, image.astype(float)

    def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weighted mean over 3 x 3 pixels, mirrored at the edge without repeating it."""
        pad = [(1, 1), (1, 1)]
        weights = np.pad(weights, pad, 'reflect')
        weighted = np.pad(values, [*pad, (0, 0)], 'reflect') * weights[..., None]
        out = np.zeros_like(values)
        for y, x in np.ndindex(6, 7):
            window = np.s_[y : y + 3, x : x + 3]
            total = weighted[window].sum((0, 1)) / 9
            out[y, x] = total / (weights[window].mean() + 1e-5)
        return out

    foreground = background = photo
    a = share[..., None]
    for power in (4, 1, 1):  # all windows have the least side, 3
        foreground = mean(foreground, share**power)
        background = mean(background, (1 - share) ** power)
        rest = photo - a * foreground - (1 - a) * background
        foreground = np.clip(foreground + a * rest, 0, 255)
    soft = (mask > 0) & (mask < 255)
    found = estimate_foreground(image, mask)
    np.testing.assert_allclose(found[soft], foreground[soft], atol=0.51)
    np.testing.assert_array_equal(found[~soft], image[~soft])


@pytest.mark.parametrize('seed', range(3))
def test_true_colours_are_recovered(seed: int) -> None:
    """Before a textured background, the error under the edge is less than half the photo's own."""
    mask = disc()
    foreground = textured((190, 120, 60), seed)
    photo = mixed(foreground, textured((20, 60, 120), seed + 9), mask)
    soft = (mask > 12) & (mask < 243)

    def error(colours: np.ndarray) -> float:
        white = np.full_like(photo, 255)
        return float(
            np.abs(
                mixed(colours, white, mask)[soft].astype(int) - mixed(foreground, white, mask)[soft]
            ).mean()
        )

    assert error(estimate_foreground(photo, mask)) < error(photo) / 2


def test_plain_colours_are_recovered() -> None:
    """Of an edge of 15 pixels between plain colours, a sixth of the mixture is left at most."""
    mask = disc()
    colours = np.broadcast_to(np.uint8([200, 100, 50]), (200, 200, 3))
    photo = mixed(colours, np.broadcast_to(np.uint8([0, 80, 250]), (200, 200, 3)), mask)
    sure = mask > 40  # below, the photo's own rounding weighs more
    error = np.abs(estimate_foreground(photo, mask).astype(int) - colours)[sure].max()
    assert error < np.abs(photo.astype(int) - colours)[sure].max() / 6


def test_hard_masks_change_nothing() -> None:
    """Where nothing is mixed there is nothing to estimate; the photo itself is never written to."""
    image = textured((100, 100, 100), 0).astype(np.uint8)
    hard = np.where(disc() > 127, np.uint8(255), np.uint8(0))
    for mask in (hard, np.zeros_like(hard), np.full_like(hard, 255)):
        np.testing.assert_array_equal(estimate_foreground(image, mask), image)
    before = image.copy()
    estimate_foreground(image, disc())
    np.testing.assert_array_equal(image, before)


def test_trimap() -> None:
    """Sure pixels are those whose surroundings are clear; between them lies the unknown."""
    mask = np.zeros((9, 12), np.uint8)
    mask[:, 6:] = 255
    mask[:, 5] = 128
    np.testing.assert_array_equal(make_trimap(mask)[4], [0] * 4 + [128] * 3 + [255] * 5)
    mask[:] = 241
    mask[:, :6] = 10
    np.testing.assert_array_equal(make_trimap(mask)[4], [0] * 5 + [128] * 2 + [255] * 5)


def test_matting_finds_the_edge() -> None:
    """A mask that is too soft becomes the photo's own hard edge; it is not printed about."""
    pytest.importorskip('pymatting')
    hard = np.where(disc(64) > 127, np.uint8(255), np.uint8(0))
    photo = mixed(textured((230, 200, 60), 1, 64), textured((10, 20, 60), 2, 64), hard)
    loose = cv2.GaussianBlur(hard, (0, 0), 3)
    found = refine_mask(photo, loose)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - hard).mean() < np.abs(loose.astype(int) - hard).mean() / 3


@pytest.mark.parametrize('level', [0, 255, 128])
def test_matting_needs_both_sides(level: int) -> None:
    """A mask without sure foreground or background is told before anything is imported."""
    with pytest.raises(MattingError, match='no sure foreground or no sure background'):
        refine_mask(np.zeros((8, 8, 3), np.uint8), np.full((8, 8), level, np.uint8))


@pytest.mark.parametrize('error', [ValueError('no progress'), MemoryError(), RuntimeError('cache')])
def test_solver_that_fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whatever the solver raises becomes one kind of error, with its words."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(matting, '_load', lambda: (fail, None))
    with pytest.raises(MattingError, match=r'the solver failed: \w'):
        refine_mask(np.zeros((200, 200, 3), np.uint8), disc())


def test_alpha_that_is_not_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver may also diverge without a word."""
    monkeypatch.setattr(matting, '_load', lambda: (lambda *_, **__: np.full((200, 200), np.nan), 0))
    with pytest.raises(MattingError, match='no finite alpha'):
        refine_mask(np.zeros((200, 200, 3), np.uint8), disc())


def test_large_photos_are_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver sees a smaller photo; the alpha has the photo's size."""
    sizes = []

    def estimate(image: np.ndarray, trimap: np.ndarray, **_: object) -> np.ndarray:
        sizes.append((image.shape, trimap.shape))
        return trimap

    monkeypatch.setattr(matting, '_load', lambda: (estimate, None))
    monkeypatch.setattr(matting, '_LARGEST', 100)
    assert refine_mask(np.zeros((200, 200, 3), np.uint8), disc()).shape == (200, 200)
    assert sizes == [((100, 100, 3), (100, 100))]


def test_matting_without_pymatting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command."""
    monkeypatch.setattr(matting, 'find_spec', lambda name: None)
    with pytest.raises(
        ImportError, match=r'needs PyMatting: `pip install "bgremoval_mm\[matting\]"'
    ):
        check_installed()


def test_nothing_compiles_before_it_is_needed() -> None:
    """Cut-outs with clean edges load neither PyMatting nor numba."""
    code = (
        'import sys, numpy as np\n'
        'from bgremoval_mm.removal import CutoutFolder, estimate_foreground\n'
        'estimate_foreground(np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 9, np.uint8))\n'
        "print({'numba', 'pymatting', 'rembg', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'
