"""Top-1 accuracy, class by class, as a metric of mmengine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from bgremoval_mm.evaluation.functional import classwise_accuracy
from bgremoval_mm.registry import METRICS

__all__ = ['ClasswiseAccuracy', 'classwise_accuracy']


@METRICS.register_module(force=True)
class ClasswiseAccuracy(BaseMetric):
    """Top-1 accuracy of each class, in percent, as a table in the log and as single metrics.

    The metrics are called ``accuracy/class/<name>``, so that ``DiffMetricsHook`` compares them one
    by one with the baseline. It takes what mmpretrain's ``Accuracy`` takes and stands beside it.

    Args:
        collect_device: 'cpu' or 'gpu', where results of several processes are collected.
        prefix: In place of 'accuracy/class'.

    Examples:
        >>> test_evaluator = [dict(type='Accuracy', topk=(1,)), dict(type='ClasswiseAccuracy')]
    """

    default_prefix = 'accuracy/class'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect the true and the predicted class of each sample.

        Args:
            data_batch: Not used.
            data_samples: Dicts with ``gt_label`` and ``pred_label`` (or ``pred_score``), tensors
                as in mmpretrain's ``DataSample``.
        """
        for sample in data_samples:
            predicted = sample.get('pred_label')
            if predicted is None:
                predicted = sample['pred_score'].argmax(dim=0, keepdim=True)
            self.results.append((_single(sample['gt_label']), _single(predicted)))

    def compute_metrics(self, results: list[tuple[int, int]]) -> dict[str, float]:
        """Return the accuracies, in the order of the classes.

        Args:
            results: (true class, predicted class) of every sample.
        """
        names = self._class_names()
        labels, predictions = np.array(results, dtype=np.int64).reshape(-1, 2).T
        accuracies = classwise_accuracy(labels, predictions, len(names))
        totals = np.bincount(labels, minlength=len(names))
        print_log(_table(names, totals, accuracies), 'current')
        return {name: float(each) for name, each in zip(names, accuracies, strict=True)}

    def _class_names(self) -> Sequence[str]:
        names: Sequence[str] | None = (self.dataset_meta or {}).get('classes')
        if not names:
            msg = 'ClasswiseAccuracy needs a dataset whose metainfo has `classes`'
            raise ValueError(msg)
        return names


def _single(label: Any) -> int:
    """Return the class of a tensor of one label."""
    if label.numel() != 1:
        msg = f'ClasswiseAccuracy needs one label an image, but got {label.tolist()}'
        raise ValueError(msg)
    return int(label.item())


def _table(names: Sequence[str], totals: np.ndarray, accuracies: np.ndarray) -> str:
    width = max(len(name) for name in (*names, 'class'))
    lines = [f'{"class":<{width}}  images  accuracy (percent)']
    for name, total, each in zip(names, totals, accuracies, strict=True):
        shown = '-' if np.isnan(each) else f'{each:.2f}'
        lines.append(f'{name:<{width}}  {total:>6}  {shown:>8}')
    return 'Top-1 accuracy by class:\n' + '\n'.join(lines)
