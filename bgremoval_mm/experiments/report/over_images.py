"""How sure a difference is for other test images: tests and bootstraps on per-image results.

A pair of runs is (baseline, variant), of one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bgremoval_mm.evaluation.coco_bootstrap import map_difference
from bgremoval_mm.evaluation.cross_validation import (
    Values,
    mean_of_folds,
    right_photos,
    right_products,
)
from bgremoval_mm.evaluation.query_results import query_scores
from bgremoval_mm.evaluation.statistics import (
    Discordance,
    Estimate,
    accuracy_difference,
    clustered_accuracy_difference,
    iou_difference,
    mcnemar,
)
from bgremoval_mm.experiments.report.folds import AnyResult

__all__ = ['Runs', 'discordance', 'over_products', 'resampler']

Runs = Sequence[tuple[AnyResult, AnyResult]]


def _both(
    runs: Runs, what: Callable[[AnyResult], np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Stack what baselines and variants have, by seed.

    Returns:
        Both; None if one has no per-image results, or seeds were tested in other folds.

    Raises:
        ValueError: If seeds were tested on other images.
    """
    if not all(result.has_per_image for pair in runs for result in pair):
        return None
    firsts = [first for first, _ in runs]
    if len({_folds(each) for each in firsts}) > 1:
        return None
    for each in firsts:
        if not np.array_equal(each.per_image['names'], firsts[0].per_image['names']):
            msg = f'{each.runs[0].folder} was tested on other images than with another seed'
            raise ValueError(msg)
    return np.stack([what(first) for first, _ in runs]), np.stack([what(last) for _, last in runs])


def _folds(result: AnyResult) -> tuple[int | None, ...]:
    return tuple(run.fold for run in result.runs)


def _right(result: AnyResult) -> np.ndarray:
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
        if any(len(first.runs) > 1 for first, _ in runs):  # mAP is of one set of photos
            return None
        baselines, variants = (
            [run.folder / name for pair in runs for run in pair[i].runs] for i in (0, 1)
        )
        annotations = Path(runs[0][0].runs[0].content.get('annotations', ''))
        if not all(file.is_file() for file in (annotations, *baselines, *variants)):
            return None
        return map_difference(annotations, baselines, variants, kind)

    return resample


def over_products(
    runs: Sequence[Sequence[AnyResult]],
    right: Callable[[Mapping[str, np.ndarray]], Values],
    signs: Sequence[int],
) -> Estimate | None:
    """Return a sum of accuracies, mean over seeds, by a bootstrap over the products of each fold.

    Args:
        runs: Results of each seed, as many as signs, of the same folds and images.
        right: Takes per-image results and returns what is right, with products.
        signs: 1 or -1 for each: ``(1,)`` is an accuracy, ``(-1, 1)`` a paired difference.

    Returns:
        The estimate in percent; None where per-image results or products are missing.

    Raises:
        ValueError: If seeds were tested on other products.
    """
    by_fold: dict[int | None, list[Values]] = {}
    for results in runs:
        for folds in zip(*(each.runs for each in results), strict=True):
            if not all(run.has_per_image and 'products' in run.per_image for run in folds):
                return None
            found = [right(run.per_image) for run in folds]
            values = sum(
                sign * each.astype(float) for sign, (each, _) in zip(signs, found, strict=True)
            )
            seeds = by_fold.setdefault(folds[0].fold, [])
            seeds.append((np.asarray(values), found[0][1]))
            if not np.array_equal(seeds[0][1], seeds[-1][1]):
                msg = f'{folds[0].folder} was tested on other products than with another seed'
                raise ValueError(msg)
    if not by_fold:
        return None
    return mean_of_folds(
        [(np.mean([v for v, _ in seeds], axis=0), seeds[0][1]) for seeds in by_fold.values()]
    )


def over_items(metric: str) -> Callable[[Runs], Estimate | None]:
    """Return what resamples a metric of queries, such as 'hit@5', over the items of the queries."""

    def resample(runs: Runs) -> Estimate | None:
        both = _both(runs, lambda result: query_scores(result.per_image, metric))
        return both and clustered_accuracy_difference(*both, runs[0][0].per_image['items'])

    return resample


_OF_ITEMS = ' of items'
_RESAMPLERS: Mapping[str, Callable[[Runs], Estimate | None]] = {
    'accuracy': _accuracy,
    'iou': _iou,
    'bbox': _coco('bbox'),
    'segm': _coco('segm'),
    'products': lambda runs: over_products(runs, right_products, (-1, 1)),
    'photos of products': lambda runs: over_products(runs, right_photos, (-1, 1)),
}


def resampler(name: str) -> Callable[[Runs], Estimate | None]:
    """Return what ``Metric.over_images`` names.

    It returns the difference of at least one pair of runs with its interval, in the metric's unit;
    None where files are missing.

    Args:
        name: 'accuracy', 'iou', 'bbox', 'segm', 'products' or 'photos of products'; or a metric of
            queries such as 'hit@5 of items'.
    """
    if name.endswith(_OF_ITEMS):
        return over_items(name.removesuffix(_OF_ITEMS))
    return _RESAMPLERS[name]


def discordance(pair: tuple[AnyResult, AnyResult]) -> Discordance | None:
    """Return McNemar's test of a pair of classifiers; None without per-image results."""
    both = _both([pair], _right)
    return both and mcnemar(both[0][0], both[1][0])
