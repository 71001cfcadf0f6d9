"""What each query of a retrieval test found: measured query by query, compared item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from bgremoval_mm.evaluation.statistics import Estimate, clustered_accuracy_difference
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['metrics', 'query_differences', 'query_results', 'query_scores']

#: Metric to its name among the results of queries; hit@k and P@1 follow from ``first_right``.
_KEYS = {'MAP@R': 'average_precision', 'R-Precision': 'r_precision'}

QueryResults = Mapping[str, np.ndarray]
"""What :func:`query_results` returns, with ``names`` and ``items`` of the queries, shape (N,), and
``topk``, the k of hit@k, shape (K,)."""


def metrics(topk: Iterable[int]) -> list[str]:
    """Name the metrics that are means over queries.

    >>> metrics([1, 5])
    ['hit@1', 'hit@5', 'MAP@R', 'P@1', 'R-Precision']
    """
    return [*(f'hit@{k}' for k in topk), 'MAP@R', 'P@1', 'R-Precision']


def query_results(right: np.ndarray, totals: np.ndarray) -> dict[str, np.ndarray]:
    """Measure each query by its ranked neighbours.

    Args:
        right: Whether each neighbour is a photo of the query's item, the nearest first, bool of
            shape (N, K).
        totals: Photos of the query's item in the gallery, ints from 1 to K, shape (N,).

    Returns:
        ``first_right``, the rank of the first right neighbour, from 1, or 0 if there is none, int32
        of shape (N,); ``average_precision`` and ``r_precision``, the query's share of MAP@R and
        R-Precision from 0 to 1, float64 of shape (N,).
    """
    ranks = np.arange(1, right.shape[1] + 1)
    counted = right & (ranks <= totals[:, None])
    precision = np.cumsum(right, axis=1) / ranks
    return {
        'first_right': np.where(right.any(axis=1), right.argmax(axis=1) + 1, 0).astype(np.int32),
        'average_precision': (precision * counted).sum(axis=1) / totals,
        'r_precision': counted.sum(axis=1) / totals,
    }


def query_scores(results: QueryResults, metric: str) -> np.ndarray:
    """Return what each query adds to the mean of a metric, float64 from 0 to 1, of shape (N,).

    Args:
        results: Of one test.
        metric: 'hit@5', 'P@1', 'MAP@R' or 'R-Precision'.
    """
    if metric in _KEYS:
        return results[_KEYS[metric]].astype(float)
    k = int(metric.partition('@')[2])
    first = results['first_right']
    found: np.ndarray = ((first > 0) & (first <= k)).astype(float)
    return found


def query_differences(original: QueryResults, changed: QueryResults) -> dict[str, Estimate]:
    """Return the difference of each metric in percentage points, by a bootstrap over items.

    The queries of an item are drawn together: photos of one garment are found, or missed, together.

    Args:
        original: Results of the baseline.
        changed: Those of the other test, of the same queries.

    Returns:
        Metric, such as 'hit@5', to its difference.

    Raises:
        ArgumentError: If the two are of other queries, items or k, or a query is there twice.
    """
    _check_same_queries(original, changed)
    return {
        name: clustered_accuracy_difference(
            query_scores(original, name)[None], query_scores(changed, name)[None], changed['items']
        )
        for name in metrics(original['topk'].tolist())
    }


def _check_same_queries(original: QueryResults, changed: QueryResults) -> None:
    for key in ('names', 'items', 'topk'):
        first, second = original[key].tolist(), changed[key].tolist()
        if first == second:
            continue
        other = sorted(set(first) ^ set(second))
        msg = (
            f'two tests are compared on the same queries, but their `{key}` differ: '
            f'{first_few([str(each) for each in other]) or "another order"}'
        )
        if key == 'names':
            msg += '. `root` of QueryGalleryMetric says what names are relative to'
        raise ArgumentError(msg)
    twice = [name for name, count in Counter(changed['names'].tolist()).items() if count > 1]
    if twice:
        msg = f'each query must be there once, but {first_few(twice)} is there more often'
        raise ArgumentError(msg)
