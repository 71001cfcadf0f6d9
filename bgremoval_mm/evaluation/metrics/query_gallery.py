"""QueryGalleryMetric: hit@k and MAP@R of query photos that are searched for in a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

from bgremoval_mm.evaluation.metrics.retrieval import NAMES, EmbeddingError, check_finite
from bgremoval_mm.evaluation.nearest import Neighbours, find_nearest, normalise
from bgremoval_mm.registry import METRICS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.messages import first_few
from bgremoval_mm.utils.tables import csv_bytes

__all__ = ['ROLES', 'QueryGalleryMetric']

ROLES = ('query', 'gallery')
"""What a photo can be."""

#: Queries at a time, whose ranked labels are held together.
_QUERIES = 4096
_HIT_COLUMNS = ('query', 'query_item', 'rank', 'photo', 'item', 'similarity', 'right')

Result = tuple[np.ndarray, str, str, str]
"""Embedding, item, role and file of a photo."""


@METRICS.register_module(force=True)
class QueryGalleryMetric(BaseMetric):
    """Retrieval of the photos of a query's item from a gallery, in percent.

    The protocol of DeepFashion's In-Shop and Consumer-to-Shop benchmarks: embeddings are
    L2-normalised and compared by their inner product, and each query is searched for among all
    photos of the gallery, never among the queries. ``hit@k`` is the share of queries with at least
    one photo of their item among the k nearest (which those benchmarks call top-k accuracy; it is
    not the share of the item's photos that are found). ``MAP@R``, ``P@1`` and ``R-Precision`` are
    those of ``RetrievalMetric``, with R photos of the query's item in the gallery.
    pytorch-metric-learning's ``AccuracyCalculator`` computes them.

    A query whose item has no photo in the gallery cannot find one. It does not count, and is
    counted in ``retrieval/queries_left_out``; the log names the first few.

    The search is exact, and its result does not depend on the library: see
    :func:`~bgremoval_mm.evaluation.nearest.find_nearest`. Of photos that are equally near, the one
    that comes first in the gallery is the nearer one.

    Args:
        topk: The k of ``hit@k``.
        hits_file: CSV file for the nearest photos of each query, which ``bgremoval search sheet``
            draws. None: none is written.
        hits: How many for each query.
        item_key: Field of data samples that has the photo's item.
        role_key: Field that says ``'query'`` or ``'gallery'``.
        collect_device: 'cpu' or 'gpu', where results of several processes are collected.
        prefix: In place of 'retrieval'.

    Raises:
        ArgumentError: If `topk` or `hits` are no whole numbers above 0.
        EmbeddingError: On evaluation, if samples lack a field, an embedding has NaN or infinity,
            there is no query or no gallery, or no query has its item in the gallery.

    Examples:
        >>> pipeline = [..., dict(type='PackInputs', algorithm_keys=('item_id', 'role'))]
        >>> test_evaluator = dict(type='QueryGalleryMetric', hits_file='hits.csv')
    """

    default_prefix = 'retrieval'

    def __init__(
        self,
        topk: Sequence[int] = (1, 5, 10, 20, 30, 40, 50),
        hits_file: str | Path | None = None,
        hits: int = 10,
        item_key: str = 'item_id',
        role_key: str = 'role',
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        topk = (topk,) if isinstance(topk, int) else tuple(topk)
        for name, values in (('topk', topk), ('hits', (hits,))):
            if not values or any(not isinstance(each, int) or each < 1 for each in values):
                msg = f'`{name}` must be whole numbers above 0, but got {values}'
                raise ArgumentError(msg)
        self.topk = topk
        self.hits_file = None if hits_file is None else Path(hits_file)
        self.hits = hits
        self.item_key, self.role_key = item_key, role_key

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect embedding, item and role of each photo.

        Args:
            data_batch: Not used.
            data_samples: Dicts with ``embedding``, float tensor of shape (D,), the item, the role,
                and perhaps ``img_path``, for the log and the hits.
        """
        for sample in data_samples:
            for key in (self.item_key, self.role_key):
                if sample.get(key) is None:
                    msg = (
                        f'QueryGalleryMetric needs `{key}` in data samples: let the dataset give '
                        f"it, and pack it by PackInputs(algorithm_keys=('{self.item_key}', "
                        f"'{self.role_key}'))"
                    )
                    raise EmbeddingError(msg)
            role = str(sample[self.role_key])
            if role not in ROLES:
                msg = f'`{self.role_key}` must be one of {", ".join(ROLES)}, but got {role!r}'
                raise EmbeddingError(msg)
            embedding = sample['embedding'].detach().float().cpu().numpy()
            path = str(sample.get('img_path', 'a photo without a path'))
            self.results.append((embedding, str(sample[self.item_key]), role, path))

    def compute_metrics(self, results: list[Result]) -> dict[str, float]:
        """Return ``hit@k``, ``MAP@R``, ``P@1`` and ``R-Precision``, and the queries left out.

        Args:
            results: What :meth:`process` has collected of all photos.
        """
        paths = [path for *_, path in results]
        embeddings = np.stack([embedding for embedding, *_ in results])
        check_finite(embeddings, paths)
        embeddings = normalise(embeddings)
        names, items = np.unique([item for _, item, *_ in results], return_inverse=True)
        is_query = np.array([role == 'query' for *_, role, _ in results])
        queries, gallery = np.flatnonzero(is_query), np.flatnonzero(~is_query)
        in_gallery = np.bincount(items[gallery], minlength=len(names))
        left_out = queries[in_gallery[items[queries]] == 0]
        queries = queries[in_gallery[items[queries]] > 0]
        if not len(queries):
            msg = (
                f'none of {is_query.sum():,} queries has a photo of its item among the '
                f'{len(gallery):,} photos of the gallery'
            )
            raise EmbeddingError(msg)
        if len(left_out):
            shown = first_few([f'{paths[each]} ({names[items[each]]})' for each in left_out])
            print_log(
                f'QueryGalleryMetric: {len(left_out):,} queries have no photo of their item in the '
                f'gallery and do not count: {shown}',
                'current',
            )
        count = min(max(*self.topk, int(in_gallery.max()), self.hits), len(gallery))
        calculator = _Calculator(self.topk, count)
        found: dict[str, float] = {}
        rows: list[dict[str, object]] = []
        for start in range(0, len(queries), _QUERIES):
            part = queries[start : start + _QUERIES]
            nearest = find_nearest(embeddings[part], embeddings[gallery], count)
            for name, value in calculator.measure(nearest, items[part], items[gallery]).items():
                found[name] = found.get(name, 0.0) + 100 * value * len(part) / len(queries)
            if self.hits_file is not None:
                rows += _hit_rows(part, gallery, nearest, self.hits, names[items], paths)
        if self.hits_file is not None:
            self.hits_file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.hits_file, csv_bytes(_HIT_COLUMNS, rows))
        return found | {'queries_left_out': float(len(left_out))}


class _Calculator(AccuracyCalculator):
    """AccuracyCalculator with hit@k, of neighbours that were found before."""

    def __init__(self, topk: Sequence[int], count: int) -> None:
        self.topk = topk
        self.nearest: Neighbours | None = None
        super().__init__(
            include=(*NAMES, 'hit_at_k'),
            k=count,
            device=torch.device('cpu'),
            knn_func=self._found,
            kmeans_func=self._found,  # the default one needs faiss; no metric here needs either
        )

    def measure(
        self, nearest: Neighbours, queries: np.ndarray, gallery: np.ndarray
    ) -> dict[str, float]:
        """Return each metric as a share, from the neighbours and the items of all photos."""
        self.nearest = nearest
        empty = torch.zeros(len(queries), 1), torch.zeros(len(gallery), 1)
        found = self.get_accuracy(
            empty[0], torch.from_numpy(queries), empty[1], torch.from_numpy(gallery)
        )
        hits = found.pop('hit_at_k')
        shares = {f'hit@{k}': float(hit) for k, hit in zip(self.topk, hits, strict=True)}
        return shares | {NAMES[theirs]: float(value) for theirs, value in found.items()}

    def calculate_hit_at_k(
        self, knn_labels: torch.Tensor, query_labels: torch.Tensor, **_: Any
    ) -> list[float]:
        """Return the share of queries with one of their item among the k nearest, for each k."""
        right = knn_labels == query_labels[:, None]
        return [float(right[:, :k].any(dim=1).double().mean()) for k in self.topk]

    def requires_knn(self) -> list[str]:
        """Name the metrics that need neighbours."""
        return [*super().requires_knn(), 'hit_at_k']

    def _found(self, *_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.nearest is not None  # `measure` has set it
        similarities, indices = self.nearest
        return torch.from_numpy(similarities), torch.from_numpy(indices)


def _hit_rows(
    queries: np.ndarray,
    gallery: np.ndarray,
    nearest: Neighbours,
    count: int,
    items: np.ndarray,
    paths: Sequence[str],
) -> list[dict[str, object]]:
    """Return a row for each of the first hits of each query."""
    rows: list[dict[str, object]] = []
    for query, similarities, hits in zip(queries, *nearest, strict=True):
        for rank, (similarity, hit) in enumerate(
            zip(similarities[:count], gallery[hits[:count]], strict=True), start=1
        ):
            right = int(items[hit] == items[query])
            values = (
                *(paths[query], items[query], rank),
                *(paths[hit], items[hit], f'{similarity:.6f}', right),
            )
            rows.append(dict(zip(_HIT_COLUMNS, values, strict=True)))
    return rows
