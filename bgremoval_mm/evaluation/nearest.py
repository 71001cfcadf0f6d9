"""Exact search for the nearest vectors by cosine similarity, with one answer whatever computes it.

A fast library (faiss, or else numpy and torch) proposes candidates in float32; their similarities
are then computed in float64, which decides. So the neighbours and their similarities depend neither
on the library nor on the blocks or threads that it computes in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['LIBRARIES', 'Neighbours', 'find_nearest', 'normalise', 'search_library']

LIBRARIES = ('faiss', 'torch')
"""What proposes candidates."""

#: Queries at a time, and vectors of the gallery at a time where torch proposes: 64 MiB.
_QUERIES, _VECTORS = 256, 65_536
#: Candidates beyond those that are asked for, so that rounding in float32 rarely hides one.
_MORE = 16
#: Numbers in float64 that are gathered at a time to decide: 8 MiB, which caches hold.
_GATHERED = 2**20


class Neighbours(NamedTuple):
    """The nearest vectors of each query, the nearest first.

    Attributes:
        similarities: float32 of shape (Q, k), cosines in [-1, 1].
        indices: int64 of shape (Q, k), places in the gallery.
    """

    similarities: np.ndarray
    indices: np.ndarray


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Return the vectors at length 1, as float32; a vector of zeros stays one.

    Args:
        vectors: Numbers of shape (N, D).
    """
    lengths = np.sqrt(np.einsum('nd,nd->n', vectors, vectors, dtype=np.float64))
    lengths[lengths == 0] = 1
    unit: np.ndarray = np.divide(vectors, lengths[:, None], dtype=np.float64).astype(np.float32)
    return unit


def search_library() -> str:
    """Return what proposes candidates here: faiss where it is installed, else torch."""
    return LIBRARIES[0] if find_spec('faiss') is not None else LIBRARIES[1]


def find_nearest(
    queries: np.ndarray,
    gallery: np.ndarray | Sequence[np.ndarray],
    k: int,
    library: str | None = None,
) -> Neighbours:
    """Find the `k` vectors of a gallery with the greatest inner product, for each query.

    The answer is that of sorting all inner products, computed in float64 from the float32 vectors:
    greatest first, and of equal ones that with the lower index first. The matrix of all of them is
    never held: memory grows with ``Q * k``, and with the gallery only by what it occupies itself.

    Args:
        queries: float32 of shape (Q, D), each row of length 1 (see `normalise`) or 0.
        gallery: The same of shape (N, D), or several such arrays, which are searched as one; they
            may be memory-mapped.
        k: How many; all where the gallery has fewer.
        library: Of ``LIBRARIES``; None: `search_library`.

    Raises:
        ArgumentError: If an argument is not one of the above.
    """
    blocks = [gallery] if isinstance(gallery, np.ndarray) else list(gallery)
    _check(queries, blocks, k, library)
    library = library or search_library()
    vectors = _Gallery([block for block in blocks if len(block)])
    k = min(k, len(vectors))
    found = Neighbours(
        np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    )
    if not k or not len(queries):
        return found
    # faiss divides its queries itself, and is faster with all of them at once.
    step = _QUERIES if library == 'torch' else 64 * _QUERIES
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        found.similarities[part], found.indices[part] = _search(
            np.ascontiguousarray(queries[part]), vectors, k, library
        )
    return found


class _Gallery:
    """Arrays that are indexed as one."""

    def __init__(self, blocks: Sequence[np.ndarray]) -> None:
        self.blocks = blocks
        self.starts = np.cumsum([0, *map(len, blocks)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the index of each block's first vector, and the block."""
        yield from zip(self.starts.tolist(), self.blocks, strict=False)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return the vectors with these indices, float64 of shape (..., D)."""
        if len(self.blocks) == 1:
            return self.blocks[0][indices].astype(np.float64)
        taken = np.empty((*indices.shape, self.blocks[0].shape[1]), np.float64)
        homes = np.searchsorted(self.starts, indices, side='right') - 1
        for number, block in enumerate(self.blocks):
            here = homes == number
            if here.any():
                taken[here] = block[indices[here] - self.starts[number]]
        return taken


def _search(queries: np.ndarray, gallery: _Gallery, k: int, library: str) -> Neighbours:
    """Propose candidates, decide between them, and look again where rounding may have hidden one.

    In float32 a sum of D products of unit vectors is off by at most D * 2**-24 or so, in whatever
    order it is added up (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1).
    """
    candidates = _propose(queries, gallery, min(k + _MORE, len(gallery)), library)
    found = _decide(queries, gallery, candidates.indices, k)
    if candidates.indices.shape[1] == len(gallery):
        return found
    terms = queries.shape[1]
    error = 1.01 * terms * 2.0**-24
    # What was not proposed is in float32 no nearer than the last that was.
    doubtful = candidates.similarities[:, -1] + error >= found.similarities[:, -1] - 2.0**-24
    for query in np.flatnonzero(doubtful):
        least = found.similarities[query, -1] - error - 2.0**-24
        indices = _all_from(queries[query], gallery, least)
        one = _decide(queries[query : query + 1], gallery, indices[None], k)
        found.similarities[query], found.indices[query] = one.similarities[0], one.indices[0]
    return found


def _propose(queries: np.ndarray, gallery: _Gallery, count: int, library: str) -> Neighbours:
    """Return the candidates of each query by float32, the nearest first; ties in any order."""
    propose = _propose_by_faiss if library == 'faiss' else _propose_by_torch
    best: Neighbours | None = None
    for start, block in gallery:
        new = propose(queries, block, min(count, len(block)))
        new = Neighbours(new.similarities, new.indices + start)
        if best is not None:
            both = Neighbours(
                *(np.concatenate(pair, axis=1) for pair in zip(best, new, strict=True))
            )
            order = np.argsort(-both.similarities, axis=1, kind='stable')[:, :count]
            new = Neighbours(*(np.take_along_axis(each, order, axis=1) for each in both))
        best = new
    assert best is not None  # the gallery is not empty
    return best


def _propose_by_faiss(queries: np.ndarray, block: np.ndarray, count: int) -> Neighbours:
    import faiss

    block = np.ascontiguousarray(block, np.float32)
    return Neighbours(*faiss.knn(queries, block, count, faiss.METRIC_INNER_PRODUCT))


def _propose_by_torch(queries: np.ndarray, block: np.ndarray, count: int) -> Neighbours:
    import torch

    best: Neighbours | None = None
    for start in range(0, len(block), _VECTORS):
        # numpy's product: torch's may be in less than float32, if a program has set that.
        products = torch.from_numpy(queries @ block[start : start + _VECTORS].T)
        if best is not None:
            products = torch.cat([torch.from_numpy(best.similarities), products], dim=1)
        similarities, places = products.topk(min(count, products.shape[1]), dim=1)
        new = Neighbours(similarities.numpy(), places.numpy())
        if best is None:
            new.indices[...] += start
        else:
            kept = best.indices.shape[1]
            old = np.take_along_axis(best.indices, np.minimum(new.indices, kept - 1), axis=1)
            new = Neighbours(
                new.similarities, np.where(new.indices < kept, old, new.indices - kept + start)
            )
        best = new
    assert best is not None
    return best


def _decide(queries: np.ndarray, gallery: _Gallery, candidates: np.ndarray, k: int) -> Neighbours:
    """Return the nearest `k` of the candidates, by float64; of equal ones the lower index first.

    Args:
        queries: float32 of shape (Q, D).
        gallery: The vectors.
        candidates: Indices of shape (Q, at least k).
        k: How many.
    """
    shape = (len(queries), k)
    found = Neighbours(np.empty(shape, np.float32), np.empty(shape, np.int64))
    step = max(1, _GATHERED // (candidates.shape[1] * queries.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        indices = np.sort(candidates[part], axis=1)
        # einsum adds the products of each pair in the same order, wherever the pair stands.
        exact = np.einsum(
            'qd,qkd->qk', queries[part].astype(np.float64), gallery.take(indices), optimize=False
        )
        order = np.argsort(-exact, axis=1, kind='stable')[:, :k]
        found.similarities[part] = np.take_along_axis(exact, order, axis=1)
        found.indices[part] = np.take_along_axis(indices, order, axis=1)
    return found


def _all_from(query: np.ndarray, gallery: _Gallery, least: float) -> np.ndarray:
    """Return the indices of all vectors whose float32 similarity is not below `least`."""
    found = []
    for start, block in gallery:
        for begin in range(0, len(block), _VECTORS):
            near = np.flatnonzero(block[begin : begin + _VECTORS] @ query >= least)
            found.append(near + begin + start)
    return np.concatenate(found)


def _check(queries: np.ndarray, blocks: Sequence[np.ndarray], k: int, library: str | None) -> None:
    if library is not None and library not in LIBRARIES:
        msg = f'`library` must be one of {", ".join(LIBRARIES)}, but got {library!r}'
        raise ArgumentError(msg)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        msg = f'`k` must be a whole number above 0, but got {k!r}'
        raise ArgumentError(msg)
    for name, array in (('queries', queries), *(('gallery', block) for block in blocks)):
        if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] != queries.shape[1]:
            msg = (
                f'`{name}` must be float32 of shape (N, D), with one D for both, but got '
                f'{array.dtype} of shape {array.shape}, and queries of shape {queries.shape}'
            )
            raise ArgumentError(msg)
