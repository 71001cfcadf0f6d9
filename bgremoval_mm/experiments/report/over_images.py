"""How sure a difference is for other test images: tests and bootstraps on per-image results.

A pair of runs is (baseline, variant), of one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bgremoval_mm.evaluation.coco_bootstrap import map_difference
from bgremoval_mm.evaluation.statistics import (
    Discordance,
    Estimate,
    accuracy_difference,
    iou_difference,
    mcnemar,
)
from bgremoval_mm.experiments.report.results import Result

__all__ = ['RESAMPLERS', 'Runs', 'discordance']

Runs = Sequence[tuple[Result, Result]]


def _both(runs: Runs, what: Callable[[Result], np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """Stack what baselines and variants have, by seed; None if one has no per-image results."""
    if not all(result.has_per_image for pair in runs for result in pair):
        return None
    return np.stack([what(first) for first, _ in runs]), np.stack([what(last) for _, last in runs])


def _right(result: Result) -> np.ndarray:
    right: np.ndarray = result.per_image['labels'] == result.per_image['predictions']
    return right


def _accuracy(runs: Runs) -> Estimate | None:
    both = _both(runs, _right)
    return both and accuracy_difference(*both)


def _iou(runs: Runs) -> Estimate | None:
    both = _both(runs, lambda result: result.per_image['areas'])
    return both and iou_difference(*both)


def _coco(kind: str) -> Callable[[Runs], Estimate | None]:
    def resample(runs: Runs) -> Estimate | None:
        name = f'predictions.{kind}.json'
        baselines, variants = ([pair[i].folder / name for pair in runs] for i in (0, 1))
        annotations = Path(runs[0][0].content.get('annotations', ''))
        if not all(file.is_file() for file in (annotations, *baselines, *variants)):
            return None
        return map_difference(annotations, baselines, variants, kind)

    return resample


RESAMPLERS: Mapping[str, Callable[[Runs], Estimate | None]] = {
    'accuracy': _accuracy,
    'iou': _iou,
    'bbox': _coco('bbox'),
    'segm': _coco('segm'),
}
"""For ``Metric.over_images``: each returns the difference of at least one pair of runs with its
interval, in the metric's unit; None where files are missing."""


def discordance(pair: tuple[Result, Result]) -> Discordance | None:
    """Return McNemar's test of a pair of classifiers; None without per-image results."""
    both = _both([pair], _right)
    return both and mcnemar(both[0][0], both[1][0])
