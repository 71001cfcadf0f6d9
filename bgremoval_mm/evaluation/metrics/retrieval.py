"""RetrievalMetric: MAP@R, P@1 and R-Precision of embeddings, each photo against all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN, FaissKNN

from bgremoval_mm.registry import METRICS
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.utils.messages import first_few

__all__ = ['NAMES', 'EmbeddingError', 'RetrievalMetric', 'check_finite']

#: Our names of AccuracyCalculator's metrics.
NAMES = {
    'mean_average_precision_at_r': 'MAP@R',
    'precision_at_1': 'P@1',
    'r_precision': 'R-Precision',
}
#: Queries at a time in the search without faiss, which holds their distances to all photos.
_QUERIES_AT_A_TIME = 1024

Result = tuple[np.ndarray, int, str]
"""Embedding, label and file of a photo."""


class EmbeddingError(BgremovalError, ValueError):
    """Embeddings cannot be measured: they are not finite, or none has another photo to find."""


@METRICS.register_module(force=True)
class RetrievalMetric(BaseMetric):
    """Retrieval of photos of the same class, in percent, by L2 distance of embeddings.

    Each photo is the query once, and all others are the gallery. With R photos of the query's class
    in the gallery, *R-Precision* is the share of that class among the R nearest photos; *MAP@R* is
    the sum, over those of the R nearest that are of the class, of the precision up to them, divided
    by R; *P@1* is the share of queries whose nearest photo is of their class. Each is the mean over
    queries, as of pytorch-metric-learning's ``AccuracyCalculator``, which computes them (Musgrave
    et al., "A Metric Learning Reality Check", 2020).

    A query whose class has no other photo cannot find one: it does not count as a query, and is
    counted in ``retrieval/queries_left_out``. Photos that are exactly as near are in no
    particular order.

    The search is exact: by faiss where it is installed (faiss-cpu), else by torch, in blocks.

    Args:
        collect_device: 'cpu' or 'gpu', where results of several processes are collected.
        prefix: In place of 'retrieval'.

    Raises:
        EmbeddingError: On evaluation, if an embedding has NaN or infinity, or no query has a
            positive.

    Examples:
        >>> val_evaluator = dict(type='RetrievalMetric')
        >>> default_hooks = dict(
        ...     checkpoint=dict(type='CheckpointHook', save_best='retrieval/MAP@R', rule='greater'))
    """

    default_prefix = 'retrieval'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect the embedding and the class of each photo.

        Args:
            data_batch: Not used.
            data_samples: Dicts with ``embedding``, float tensor of shape (D,), ``gt_label``, tensor
                of one label, and perhaps ``img_path``, for errors.
        """
        for sample in data_samples:
            embedding = sample['embedding'].detach().float().cpu().numpy()
            path = str(sample.get('img_path', 'a photo without a path'))
            self.results.append((embedding, int(sample['gt_label'].item()), path))

    def compute_metrics(self, results: list[Result]) -> dict[str, float]:
        """Return ``MAP@R``, ``P@1`` and ``R-Precision``, in percent, and the queries left out.

        Args:
            results: What :meth:`process` has collected of all photos.

        Raises:
            EmbeddingError: If an embedding is not finite, or no query has a positive.
        """
        embeddings = np.stack([embedding for embedding, _, _ in results])
        labels = np.array([label for _, label, _ in results])
        check_finite(embeddings, [path for *_, path in results])
        alone = [label for label, count in Counter(labels.tolist()).items() if count == 1]
        if len(alone) == len(labels):
            msg = f'none of {len(labels):,} photos has another one of its class to find'
            raise EmbeddingError(msg)
        if alone:
            print_log(
                f'RetrievalMetric: {len(alone):,} classes with a single photo give no query',
                'current',
            )
        found = _calculator().get_accuracy(torch.from_numpy(embeddings), torch.from_numpy(labels))
        measured = {name: 100 * float(found[theirs]) for theirs, name in NAMES.items()}
        return measured | {'queries_left_out': float(len(alone))}


def check_finite(embeddings: np.ndarray, paths: Sequence[str]) -> None:
    """Check that no embedding has NaN or infinity.

    Args:
        embeddings: Of shape (N, D).
        paths: The file of each.

    Raises:
        EmbeddingError: If one has; the message names the files.
    """
    broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(broken):
        msg = (
            f'{len(broken):,} of {len(paths):,} embeddings have NaN or infinity: '
            f'{first_few([paths[index] for index in broken])}. Has the training diverged?'
        )
        raise EmbeddingError(msg)


def _calculator() -> AccuracyCalculator:
    """Return pytorch-metric-learning's calculator, as the work by Kobs and Hotho calls it."""
    if find_spec('faiss') is None:
        distance = LpDistance(normalize_embeddings=False)
        search = CustomKNN(distance, batch_size=_QUERIES_AT_A_TIME)
    else:
        search = FaissKNN()
    return AccuracyCalculator(
        include=tuple(NAMES),
        k='max_bin_count',
        device=torch.device('cpu'),
        knn_func=search,
        kmeans_func=_no_clusters,  # the default one needs faiss
    )


def _no_clusters(*_: Any) -> None:
    """Refuse to cluster: none of the metrics needs it."""
    raise NotImplementedError
