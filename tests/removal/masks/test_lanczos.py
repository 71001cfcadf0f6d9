"""The enlargement of masks by products of matrices: Pillow's to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.masks import lanczos
from bgremoval_mm.removal.masks.lanczos import enlarge


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Start each test without lengths that were seen before."""
    lanczos._axis.cache_clear()
    yield
    lanczos._is_pillows.cache_clear()


def by_pillow(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The same by Pillow."""
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.LANCZOS))


def kinds(height: int, width: int, seed: int) -> dict[str, np.ndarray]:
    """Masks that differ in what can go wrong: rounding, overshoot, the foreground's box."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height, width), np.uint8)
    hard = np.where(noise > 127, np.uint8(255), np.uint8(0))
    box = np.zeros_like(noise)
    top, left = rng.integers(0, height), rng.integers(0, width)
    box[top : top + 1 + height // 3, left : left + 1 + width // 3] = 255
    dot = np.zeros_like(noise)
    dot[rng.integers(0, height), rng.integers(0, width)] = rng.integers(1, 256)
    flat = {'none': np.zeros_like(noise), 'all': np.full_like(noise, 255)}
    flat |= {'grey': np.full_like(noise, 254), 'rows': np.repeat(noise[:, :1], width, axis=1)}
    return {'noise': noise, 'hard': hard, 'box': box, 'dot': dot, 'faint': noise // 85} | flat


@pytest.mark.parametrize('seed', range(12))
def test_equal_to_pillow_at_any_size(seed: int) -> None:
    """From any size to any larger one, by factors just above 1 to 40; not a level differs."""
    rng = np.random.default_rng(seed)
    for _ in range(6):
        height, width = (int(each) for each in rng.integers(1, 90, 2))
        size = tuple(
            each + 1 + int(each * rng.choice([0, 0.01, 0.3, 1, 2.7, 12]) + rng.integers(0, 40))
            for each in (width, height)
        )
        for name, mask in kinds(height, width, seed).items():
            lanczos._axis.cache_clear()
            assert enlarge(mask, size) is None
            found = enlarge(mask, size)
            assert found is not None
            assert np.array_equal(found, by_pillow(mask, size)), (name, mask.shape, size)


@pytest.mark.parametrize('size', [(321, 321), (400, 533), (533, 400), (550, 839), (1601, 1200)])
def test_equal_to_pillow_at_a_models_size(size: tuple[int, int]) -> None:
    """The sizes that occur, from U2-Net's 320 pixels."""
    for seed in range(2):
        for name, mask in kinds(320, 320, seed).items():
            wanted = by_pillow(mask, size)
            for _ in range(2):
                assert np.array_equal(masks.resize(mask, size), wanted), name
            assert np.array_equal(enlarge(mask, size), wanted), name


@pytest.mark.parametrize('size', [(20, 40), (40, 10), (10, 10), (20, 10), (19, 90), (90, 9)])
def test_other_sizes_are_left_to_pillow(size: tuple[int, int]) -> None:
    """Where a side stays or shrinks, Pillow's order of passes depends on its version."""
    mask = kinds(10, 20, 1)['noise']
    assert enlarge(mask, size) is enlarge(mask, size) is None
    assert np.array_equal(masks.resize(mask, size), by_pillow(mask, size))


def test_turned_and_cropped_views() -> None:
    """A view is enlarged as its copy is."""
    whole = kinds(60, 80, 2)['noise']
    for view in (whole[::-1, 5:40], whole.T, whole[10:30][:, ::2]):
        size = (view.shape[1] * 2, view.shape[0] * 3)
        enlarge(view, size)
        found = enlarge(view, size)
        assert found is not None
        assert np.array_equal(found, by_pillow(np.ascontiguousarray(view), size))


def test_four_rows_of_one_column() -> None:
    """OpenCV takes a scalar for an array there, see `_rounded`; all halves are rounded up."""
    for seed in range(40):
        mask = kinds(4, 9, seed)['noise']
        size = (17, 8)  # 16 columns, and one more
        lanczos._axis.cache_clear()
        enlarge(mask, size)
        assert np.array_equal(enlarge(mask, size), by_pillow(mask, size))
    halves = np.array([[0.5], [1.5], [254.5], [-0.5]])
    assert lanczos._rounded(halves).tolist() == [[1], [2], [255], [0]]
    assert lanczos._rounded(halves.T).tolist() == [[1, 2, 255, 0]]
    just_below = np.nextafter(halves - 2.0**-22, 0)
    assert lanczos._rounded(just_below).tolist() == [[0], [1], [254], [0]]


def test_a_pillow_that_rounds_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks are those of the installed Pillow, whichever it is."""
    lanczos._is_pillows.cache_clear()
    monkeypatch.setattr(lanczos, '_UP', 0.4)
    mask = kinds(20, 20, 3)['noise']
    assert enlarge(mask, (50, 60)) is enlarge(mask, (50, 60)) is None
    assert np.array_equal(masks.resize(mask, (50, 60)), by_pillow(mask, (50, 60)))


def test_threads_share_the_weights() -> None:
    """Many threads that meet a size at once get right masks."""
    mask, size = kinds(80, 80, 4)['noise'], (301, 222)
    wanted = by_pillow(mask, size)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: masks.resize(mask, size), range(40)))
    assert all(np.array_equal(each, wanted) for each in found)
    assert enlarge(mask, size) is not None


def test_a_large_mask_is_cut_where_blas_would_start_threads() -> None:
    """Products stay below OpenBLAS's threshold, and the parts join without a seam."""
    parts = lanczos._parts(7, 5000, 32 * 30)
    assert len(parts) > 1
    assert (parts[0].start, parts[-1].stop) == (7, 5007)
    assert all((each.stop - each.start) * 32 * 30 <= lanczos._SERIAL for each in parts)
    assert [each.start for each in parts[1:]] == [each.stop for each in parts[:-1]]
    mask = kinds(300, 300, 5)['noise']
    for _ in range(2):
        assert np.array_equal(masks.resize(mask, (3001, 310)), by_pillow(mask, (3001, 310)))
