"""Per-image results of a test and of its baseline: on how many images, and how sure, they differ.

A test of mmpretrain's ``Accuracy`` or mmseg's ``IoUMetric`` leaves ``evidence.npz`` beside its
results, where this package takes part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.runner import Runner

from bgremoval_mm.engine.comparison import MetricDifference, plain_name, unit
from bgremoval_mm.evaluation.metrics.per_image import (
    PER_IMAGE_FILE,
    PerImageAccuracy,
    PerImageIoU,
    read_per_image,
)
from bgremoval_mm.evaluation.paired import OF_CLASS, RETRIEVAL, main_score, score_differences
from bgremoval_mm.evaluation.statistics import Estimate
from bgremoval_mm.removal.errors import BgremovalError

__all__ = ['collect_per_image', 'count_images', 'intervals', 'per_image_file', 'with_images']

PerImage = Mapping[str, np.ndarray]
_QUERIES, _LEFT_OUT = f'{RETRIEVAL}queries', f'{RETRIEVAL}queries_left_out'
_ATTENTION = 'attention/'  # AttentionScoreHook
_ROUNDED = 0.011  # mmseg gives two decimals


def collect_per_image(runner: Runner) -> None:
    """Let a test that begins write its per-image results, unless its config does so itself."""
    evaluator = runner.test_loop.evaluator
    if per_image_file(runner) is not None:
        return
    for metric in evaluator.metrics:
        if _measures_queries(metric):
            metric.per_query_file = Path(runner.log_dir) / PER_IMAGE_FILE
            metric.root = _root_of(runner.test_loop.dataloader.dataset)
            return
        dataset = runner.test_loop.dataloader.dataset
        made = _per_image(metric, str(Path(runner.log_dir) / PER_IMAGE_FILE), _root_of(dataset))
        if made is not None:
            made.dataset_meta = metric.dataset_meta
            evaluator.metrics.append(made)
            return


def _measures_queries(metric: Any) -> bool:
    """Return whether a metric writes the results of queries itself; by name, as it is optional."""
    return type(metric).__name__ == 'QueryGalleryMetric'


def _per_image(metric: Any, file: str, root: str) -> PerImageAccuracy | PerImageIoU | None:
    """Return the metric that writes what another one averages; None where there is none."""
    name = type(metric).__name__
    classes = (metric.dataset_meta or {}).get('classes')
    if name == 'Accuracy':
        return PerImageAccuracy(file, root, metric.topk)
    if name == 'IoUMetric' and classes and not metric.format_only and metric.ignore_index == 255:
        return PerImageIoU(file, root)
    return None


def _root_of(dataset: Any) -> str:
    """Return the folder that images are named below, the same on all machines."""
    if find_spec('mmcv') is None:  # which what looks into wrappers needs
        return '.'
    from bgremoval_mm.datasets.unwrap import base_datasets

    try:
        roots = {getattr(each, 'data_root', None) for each in base_datasets(dataset)}
    except BgremovalError:
        return '.'
    return str(next(iter(roots)) or '.') if len(roots) == 1 else '.'


def per_image_file(runner: Runner) -> Path | None:
    """Return the file that the test of a Runner writes its per-image results to, if any."""
    for metric in runner.test_loop.evaluator.metrics:
        if isinstance(metric, PerImageAccuracy | PerImageIoU):
            return metric.file
        if _measures_queries(metric) and metric.per_query_file is not None:
            return Path(metric.per_query_file)
    return None


def intervals(
    test: str, original: Mapping[str, float], mine: Path | None, values: Mapping[str, float]
) -> dict[str, Estimate]:
    """Return the differences of two tests with their intervals over images.

    Args:
        test: The file with the results of the baseline's test.
        original: Its metrics.
        mine: The per-image results of this run's test.
        values: Its metrics.

    Returns:
        Metric name to difference; empty where either has no per-image results, where they are not
        those of the test, or of other images. Without those of metrics that do not follow from
        these results: classes by BinaryClsHead's `threshold`, which is not that of the top-1.
    """
    folder = Path(test).parent
    # A run of tools/reproduce.py keeps them in its own folder, above that of its last start.
    candidates = (folder / PER_IMAGE_FILE, folder.parent / PER_IMAGE_FILE)
    first = next(filter(None, (_read(file, original) for file in candidates)), None)
    second = None if mine is None else _read(mine, values)
    if first is None or second is None:
        return {}
    return {
        name: each
        for name, each in score_differences(first, second).items()
        if name in original
        and name in values
        and abs(values[name] - original[name] - each.mean) < 2 * _ROUNDED
    }


def _read(file: Path, metrics: Mapping[str, float]) -> PerImage | None:
    """Read per-image results, if they are there and give the metrics of the test."""
    try:
        results = read_per_image(file)
        name, value = main_score(results)
    except (OSError, ValueError, KeyError):
        return None
    known = metrics.get(name)
    return results if known is not None and abs(known - value) < _ROUNDED else None


def count_images(dataset: Any, metrics: Mapping[str, float]) -> dict[str, int]:
    """Return on how many images each metric is measured.

    Args:
        dataset: The dataset of the validation or test.
        metrics: All its metrics. Those of a class are measured on its images, where the dataset
            tells its labels, those of retrieval on the queries that count, an attention score on
            the photos that have one, and those on replaced backgrounds as those on the photos as
            they are. What is not a score has no number, nor has a cluster of SaliencyMetric.
    """
    if not isinstance(dataset, Sized):
        return {}
    plain = {name: plain_name(name) for name in metrics if unit(name) is not None}
    scores = set(plain.values())
    parts = (OF_CLASS, _ATTENTION, *(f'{each}/' for each in scores if each.startswith('saliency/')))
    found = {each: len(dataset) for each in scores if not each.startswith(parts)}
    found |= {each: count for each in found if (count := _queries(each, len(dataset), metrics))}
    if f'{_ATTENTION}photos' in metrics:
        measured = metrics[f'{_ATTENTION}photos'] - metrics.get(f'{_ATTENTION}undefined', 0)
        found |= {each: int(measured) for each in scores if each.startswith(_ATTENTION)}
    if any(each.startswith(OF_CLASS) for each in scores):
        found |= _images_of_classes(dataset)
    return {name: found[each] for name, each in plain.items() if each in found}


def _queries(metric: str, photos: int, metrics: Mapping[str, float]) -> int:
    """Return how many queries of a retrieval count; 0 where a metric is of all photos."""
    if not metric.startswith(RETRIEVAL):
        return 0
    return int(metrics.get(_QUERIES, photos - metrics.get(_LEFT_OUT, 0)))


def _images_of_classes(dataset: Any) -> dict[str, int]:
    """Return the number of images of each class, by the name of its metric, where it is known."""
    try:
        labels = np.asarray(dataset.get_gt_labels())
        classes = dataset.metainfo['classes']
        counts = np.bincount(labels, minlength=len(classes))
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
    return {f'{OF_CLASS}{name}': int(counts[i]) for i, name in enumerate(classes)}


def with_images(
    compared: Mapping[str, MetricDifference],
    images: Mapping[str, int],
    estimates: Mapping[str, Estimate] | None = None,
) -> dict[str, MetricDifference]:
    """Add the number of images, and intervals, to differences.

    Args:
        compared: Metric name to difference.
        images: Metric name to number of images.
        estimates: Metric name to difference over images, in percentage points.
    """
    found = {}
    for metric, each in compared.items():
        estimate = (estimates or {}).get(metric)
        interval = None
        if estimate is not None and estimate.low is not None and estimate.high is not None:
            interval = (estimate.low, estimate.high)
        found[metric] = replace(each, images=images.get(metric), interval=interval)
    return found
