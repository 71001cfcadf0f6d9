"""QueryGalleryMetric: hit@k and MAP@R of query photos that are searched for in a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from bgremoval_mm.evaluation.metrics.per_image import name_below, write_unless_finished
from bgremoval_mm.evaluation.metrics.retrieval import EmbeddingError, check_finite
from bgremoval_mm.evaluation.nearest import Neighbours, find_nearest, normalise
from bgremoval_mm.evaluation.query_results import metrics, query_results, query_scores
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

    A query whose item has no photo in the gallery cannot find one. It does not count, and is
    counted in ``retrieval/queries_left_out``, the others in ``retrieval/queries``; the log names
    the first few that are left out.

    The search is exact, and its result does not depend on the library: see
    :func:`~bgremoval_mm.evaluation.nearest.find_nearest`. Of photos that are equally near, the one
    that comes first in the gallery is the nearer one.

    Args:
        topk: The k of ``hit@k``.
        hits_file: CSV file for the nearest photos of each query, which ``bgremoval search sheet``
            draws. None: none is written.
        hits: How many for each query.
        per_query_file: ``.npz`` file for what each query found, see
            :func:`~bgremoval_mm.evaluation.query_results.query_results`, so that two tests can be
            compared query by query. None: none is written.
        root: Folder that the names of queries in it are relative to.
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
        per_query_file: str | Path | None = None,
        root: str = '.',
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
        self.per_query_file = None if per_query_file is None else Path(per_query_file)
        self.root = root
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
        most = int(in_gallery[items[queries]].max())  # not of photos that no query is for
        count = min(max(*self.topk, most, self.hits), len(gallery))
        rows: list[dict[str, object]] = []
        by_query: list[dict[str, np.ndarray]] = []
        for start in range(0, len(queries), _QUERIES):
            part = queries[start : start + _QUERIES]
            nearest = find_nearest(embeddings[part], embeddings[gallery], count)
            right = items[gallery][nearest[1]] == items[part][:, None]
            by_query.append(query_results(right, in_gallery[items[part]]))
            if self.hits_file is not None:
                rows += _hit_rows(part, gallery, nearest, self.hits, names[items], paths)
        if self.hits_file is not None:
            self.hits_file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.hits_file, csv_bytes(_HIT_COLUMNS, rows))
        whole = {key: np.concatenate([each[key] for each in by_query]) for key in by_query[0]}
        if self.per_query_file is not None:
            whole['names'] = np.array([name_below(paths[each], self.root) for each in queries])
            whole['items'] = names[items[queries]]
            order = np.argsort(whole['names'], kind='stable')
            ordered = {key: each[order] for key, each in whole.items()}
            write_unless_finished(self.per_query_file, topk=np.array(self.topk), **ordered)
        found = {name: 100 * float(query_scores(whole, name).mean()) for name in metrics(self.topk)}
        counts = {'queries': float(len(queries)), 'queries_left_out': float(len(left_out))}
        return found | counts


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
