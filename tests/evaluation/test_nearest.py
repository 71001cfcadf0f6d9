"""The exact search: against sorting all inner products, whichever library proposes."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.evaluation import nearest
from bgremoval_mm.evaluation.nearest import LIBRARIES, find_nearest, normalise, search_library
from bgremoval_mm.removal.errors import ArgumentError


def unit_vectors(count: int, size: int = 12, seed: int = 0) -> np.ndarray:
    """Random directions."""
    return normalise(np.random.default_rng(seed).normal(size=(count, size)))


def by_sorting(queries: np.ndarray, gallery: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """All inner products in float64, sorted; of equal ones the lower index first."""
    exact = np.einsum('qd,nd->qn', queries.astype(np.float64), gallery.astype(np.float64))
    order = np.argsort(-exact, axis=1, kind='stable')[:, :k]
    return np.take_along_axis(exact, order, axis=1).astype(np.float32), order


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    if request.param == 'faiss':
        pytest.importorskip('faiss')
    return str(request.param)


@pytest.mark.parametrize('k', [1, 7, 300, 500])
def test_equals_sorting(library: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbours and similarities, bit by bit; blocks and parts of the work change nothing."""
    queries, gallery = unit_vectors(40, seed=1), unit_vectors(300, seed=2)
    wanted = by_sorting(queries, gallery, k)
    for sizes in ((256, 65_536, 2**20), (7, 11, 100)):
        for name, size in zip(('_QUERIES', '_VECTORS', '_GATHERED'), sizes, strict=True):
            monkeypatch.setattr(nearest, name, size)
        for blocks in (gallery, [gallery[:1], gallery[1:250], gallery[:0], gallery[250:]]):
            found = find_nearest(queries, blocks, k, library)
            assert found.similarities.dtype == np.float32
            assert found.indices.dtype == np.int64
            np.testing.assert_array_equal(found.indices, wanted[1])
            np.testing.assert_array_equal(found.similarities, wanted[0])


def test_ties_go_to_the_lower_index(library: str) -> None:
    """Copies of one vector, more than there are candidates, come in the order of the gallery."""
    one, other = unit_vectors(2)
    gallery = np.stack([other, *[one] * 100, other])
    found = find_nearest(np.stack([one, other]), gallery, 3, library)
    np.testing.assert_array_equal(found.indices, [[1, 2, 3], [0, 101, 1]])
    assert found.similarities[0].tolist() == pytest.approx([1.0] * 3)


def test_closer_than_float32_can_tell(library: str) -> None:
    """Vectors that differ in the last bit only are ranked as float64 ranks them."""
    rng = np.random.default_rng(3)
    base = unit_vectors(1, 256)[0]
    steps = rng.integers(-2, 3, (400, 256)).astype(np.float32)
    gallery = np.ascontiguousarray(base + steps * np.spacing(np.abs(base)))
    queries = normalise(base + 0.01 * rng.normal(size=(5, 256)))
    wanted = by_sorting(queries, gallery, 10)
    found = find_nearest(queries, gallery, 10, library)
    np.testing.assert_array_equal(found.indices, wanted[1])
    np.testing.assert_array_equal(found.similarities, wanted[0])
    float32 = np.argsort(-(queries @ gallery.T), axis=1, kind='stable')[:, :10]
    assert (float32 != wanted[1]).any()  # so the test has something to tell apart


def test_memory_mapped(library: str, tmp_path: Path) -> None:
    """A gallery may lie in files."""
    gallery = unit_vectors(50)
    np.save(tmp_path / 'a.npy', gallery)
    mapped = np.load(tmp_path / 'a.npy', mmap_mode='r')
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # torch warns of arrays that cannot be written
        found = find_nearest(gallery[:4], [mapped], 2, library)
    assert found.indices[:, 0].tolist() == [0, 1, 2, 3]


def test_few_or_none() -> None:
    """All where there are fewer than asked for; nothing from an empty gallery."""
    vectors = unit_vectors(3)
    assert find_nearest(vectors, vectors, 9).indices.shape == (3, 3)
    assert find_nearest(vectors, vectors[:0], 9).indices.shape == (3, 0)
    assert find_nearest(vectors, [], 9).indices.shape == (3, 0)
    assert find_nearest(vectors[:0], vectors, 2).indices.shape == (0, 2)


def test_normalise() -> None:
    """Rows of length 1; zeros stay zeros, and are as near as what is perpendicular."""
    unit = normalise(np.array([[3, 4], [0, 0], [1e-30, 0]]))
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [1, 0]])
    assert unit.dtype == np.float32
    assert find_nearest(unit[1:2], unit, 2).similarities.tolist() == [[0, 0]]


def test_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without faiss, torch proposes."""
    monkeypatch.setattr(nearest, 'find_spec', lambda _: None)
    monkeypatch.setitem(sys.modules, 'faiss', None)
    assert search_library() == 'torch'
    assert find_nearest(unit_vectors(2), unit_vectors(9), 1).indices.shape == (2, 1)


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'k': 0}, r'^`k` must be a whole number above 0, but got 0$'),
        ({'library': 'annoy'}, r"^`library` must be one of faiss, torch, but got 'annoy'$"),
        ({'queries': np.zeros((2, 12))}, r'^`queries` must be float32 .*got float64 of shape'),
        ({'gallery': [np.zeros((2, 5), np.float32)]}, r'^`gallery` must .*float32 of shape \(2, 5'),
    ],
)
def test_bad_arguments(changed: dict, message: str) -> None:
    """What is allowed, and what came."""
    given = {'queries': unit_vectors(2), 'gallery': unit_vectors(3), 'k': 1}
    with pytest.raises(ArgumentError, match=message):
        find_nearest(**given | changed)
