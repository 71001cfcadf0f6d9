"""SaliencyMetric: how good predicted foreground masks are, by image, by cluster and over all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from bgremoval_mm.evaluation.instance_saliency import instance_saliency
from bgremoval_mm.evaluation.saliency import (
    SCORES,
    ImageScores,
    mean_scores,
    require_library,
    score_image,
    stretch_to_unit,
)
from bgremoval_mm.registry import METRICS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import write_atomically

__all__ = ['SaliencyMetric']

Result = tuple[str, str | None, ImageScores]
"""Path, cluster (None: there are no clusters) and scores of an image."""


@METRICS.register_module(force=True)
class SaliencyMetric(BaseMetric):
    """MAE, F-, weighted F-, S- and E-measure, boundary F and IoU of foreground masks.

    The metrics are fractions in [0, 1], as in the literature on salient object detection:

    - ``MAE``: mean absolute error;
    - ``maxF``: the largest F-measure (beta squared 0.3) of precision and recall that are averaged
      over the images at each of 255 thresholds, as the authors of U2-Net report it;
    - ``maxF_pysodmetrics``: the largest mean of the images' F-measures, of 256 thresholds, as
      PySODMetrics reports it;
    - ``wF``: weighted F-measure (Margolin et al., 2014); ``S``: S-measure (Fan et al., 2017);
      ``maxE``, ``meanE``: E-measure (Fan et al., 2018), largest and mean over thresholds;
    - ``relaxF``: F-measure of boundaries within 3 pixels, and ``IoU``, both of the hard mask and
      averaged over images.

    Detectors of the foreground are measured, too: the saliency of a pixel is the score of the
    surest object on it.

    Where data samples have ``cluster``, each metric is given by cluster too, as
    ``saliency/IoU/<cluster>``. :mod:`bgremoval_mm.evaluation.saliency` has the definitions.

    Args:
        scores: Which of them; None: all. Those by PySODMetrics take about a second for a photo
            of two million pixels.
        threshold: Above it a pixel is foreground, for IoU and relaxF.
        normalize: Stretch each map to [0, 1] first, as the authors of U2-Net, PySODMetrics and
            the removal of this package do.
        per_image: CSV file to write: a row with path, cluster and scores for each image.
        collect_device: 'cpu' or 'gpu', where results of several processes are collected.
        prefix: In place of 'saliency'.

    Raises:
        ArgumentError: If an argument is not allowed, a label map holds other values than 0 and 1,
            or a prediction has NaN.
        MissingPySODMetricsError: If a metric needs PySODMetrics and it is not installed.

    Examples:
        >>> val_evaluator = dict(type='SaliencyMetric', scores=('MAE', 'IoU'))
        >>> default_hooks = dict(
        ...     checkpoint=dict(type='CheckpointHook', save_best='saliency/IoU', rule='greater'))
    """

    default_prefix = 'saliency'

    def __init__(
        self,
        scores: Sequence[str] | None = None,
        threshold: float = 0.5,
        normalize: bool = True,
        per_image: str | Path | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        # Not `metrics`: a Runner takes an evaluator with that key for one of several metrics.
        self.scores = tuple(SCORES) if scores is None else tuple(scores)
        unknown = [name for name in self.scores if name not in SCORES]
        if unknown or not self.scores:
            got = repr(unknown[0]) if unknown else 'none'
            msg = f'`scores` must be of {", ".join(SCORES)}, but got {got}'
            raise ArgumentError(msg)
        if not 0 <= threshold < 1:
            msg = f'`threshold` must be from 0 to below 1, but got {threshold!r}'
            raise ArgumentError(msg)
        require_library(self.scores)
        self.threshold, self.normalize = threshold, normalize
        self.per_image = None if per_image is None else Path(per_image)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Score each image.

        Args:
            data_batch: Not used.
            data_samples: Dicts with ``seg_logits``, whose ``data`` of shape (1, H, W) are the
                foreground's probabilities, as mmseg's models with one output channel leave them,
                or of shape (2, H, W) what the softmax is taken of; with ``gt_sem_seg`` of shape
                (1, H, W); perhaps with ``img_path`` and ``cluster``. Or, of a detector, with
                ``pred_instances`` in place of ``seg_logits``: see
                :func:`~bgremoval_mm.evaluation.instance_saliency.instance_saliency`.
        """
        for sample in data_samples:
            path = str(sample.get('img_path', ''))
            saliency = _saliency(sample)
            if np.isnan(saliency).any():
                msg = (
                    f'the prediction {f"of {path} " if path else ""}has NaN in '
                    f'{np.isnan(saliency).sum():,} of {saliency.size:,} pixels. Has the training '
                    'diverged?'
                )
                raise ArgumentError(msg)
            truth = sample['gt_sem_seg']
            # The first is mmseg's name, the second mmdet's.
            labels = truth['data' if 'data' in truth else 'sem_seg'].squeeze(0).cpu().numpy()
            if labels.max(initial=0) > 1:
                msg = f'SaliencyMetric needs label maps of 0 and 1, but got {labels.max()}' + (
                    f' in that of {path}' if path else ''
                )
                raise ArgumentError(msg)
            if self.normalize:
                saliency = stretch_to_unit(saliency)
            scores = score_image(saliency, labels == 1, self.threshold, self.scores)
            cluster = sample.get('cluster')
            self.results.append((path, None if cluster is None else str(cluster), scores))

    def compute_metrics(self, results: list[Result]) -> dict[str, float]:
        """Return the scores over all images and by cluster, and write those by image.

        Args:
            results: What :meth:`process` has collected of all images.
        """
        if self.per_image is not None:
            self._write(results)
        found = mean_scores([scores for _, _, scores in results])
        clusters = sorted({cluster for _, cluster, _ in results if cluster is not None})
        table = {}
        for name in clusters:
            members = [scores for _, cluster, scores in results if cluster == name]
            table[name] = (len(members), mean_scores(members))
        if table:
            print_log(_table({**table, 'all': (len(results), found)}), 'current')
        by_cluster = {
            f'{score}/{name}': value
            for name, (_, scores) in table.items()
            for score, value in scores.items()
        }
        return found | by_cluster

    def _write(self, results: list[Result]) -> None:
        assert self.per_image is not None
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        names = list(results[0][2].values)
        writer.writerow(['image', 'cluster', *names])
        for path, cluster, scores in sorted(results, key=lambda result: result[0]):
            figures = [f'{scores.values[name]:.6f}' for name in names]
            writer.writerow([path, cluster or '', *figures])
        self.per_image.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.per_image, os.fsencode(text.getvalue()))


def _saliency(sample: dict[str, Any]) -> np.ndarray:
    """Return the saliency map of a segmentor or a detector, float64 of shape (H, W)."""
    found = sample.get('pred_instances')
    if found is None:
        return _probability(sample['seg_logits']['data'].detach().float())
    return instance_saliency(found['masks'].cpu().numpy(), found['scores'].cpu().numpy())


def _probability(logits: Any) -> np.ndarray:
    """Return the foreground's probability, float64 of shape (H, W)."""
    if len(logits) > 2:
        msg = (
            'SaliencyMetric needs a model with one output channel, or two for background and '
            f'foreground, but got {len(logits)}'
        )
        raise ArgumentError(msg)
    foreground = logits.softmax(dim=0)[1] if len(logits) == 2 else logits[0]
    probability: np.ndarray = foreground.double().clamp(0, 1).cpu().numpy()
    return probability


def _table(rows: dict[str, tuple[int, dict[str, float]]]) -> str:
    names = list(next(iter(rows.values()))[1])
    width = max(len(name) for name in (*rows, 'cluster'))
    lines = [f'{"cluster":<{width}}  images  ' + '  '.join(f'{name:>7}' for name in names)]
    for name, (count, scores) in rows.items():
        figures = '  '.join(f'{scores[each]:>{max(7, len(each))}.4f}' for each in names)
        lines.append(f'{name:<{width}}  {count:>6}  {figures}')
    return 'Saliency by cluster:\n' + '\n'.join(lines)
