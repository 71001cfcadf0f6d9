"""The folds of a cross-validation with one seed, as one result."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bgremoval_mm.experiments.base import BEST_FOLD, Metric
from bgremoval_mm.experiments.report.results import Result

__all__ = ['AnyResult', 'FoldedResult', 'fold_up', 'matched']

#: Arrays of per-image results that are not one value an image, and the same in all folds.
_OF_ALL = {'classes', 'topk'}


@dataclass(frozen=True)
class FoldedResult:
    """The results of one seed in the folds that were run, as one.

    Folds share most of their training photos, so that they are no independent repetitions: the
    result of a seed is their mean, and intervals over seeds count seeds.

    Attributes:
        by_fold: Fold to result, at least one, in order.
    """

    by_fold: Mapping[int, Result]

    @property
    def runs(self) -> list[Result]:
        """The results, fold by fold."""
        return list(self.by_fold.values())

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Means over the folds; and with ``best_fold/`` before the name, the largest."""
        first, *others = (each.metrics for each in self.runs)
        found: dict[str, float] = {}
        for key in first:
            all_of_it = [first[key], *(each.get(key) for each in others)]
            values = [value for value in all_of_it if value is not None]
            if len(values) == len(self.runs):
                found[key] = float(np.mean(values))
                found[BEST_FOLD + key] = max(values)
        return found

    def images(self, metric: Metric) -> int | None:
        """Return how many images a metric was measured on, in all folds; None if not known."""
        numbers = [each.images(metric) for each in self.runs]
        known = [number for number in numbers if number is not None]
        return sum(known) if len(known) == len(numbers) else None

    @property
    def has_per_image(self) -> bool:
        """Whether there are per-image results of every fold."""
        return all(each.has_per_image for each in self.runs)

    @cached_property
    def per_image(self) -> dict[str, np.ndarray]:
        """The arrays of the per-image results, fold after fold.

        Raises:
            ValueError: If an image was tested in two folds, or the folds have other classes.
        """
        folds = [each.per_image for each in self.runs]
        names = np.concatenate([each['names'] for each in folds])
        if len(np.unique(names)) < len(names):
            msg = f'{self.runs[0].folder}: an image must be tested in one fold, but some are in two'
            raise ValueError(msg)
        keys = set.intersection(*map(set, folds))
        same = {key: folds[0][key] for key in keys & _OF_ALL}
        for key, value in same.items():
            if not all(np.array_equal(each[key], value) for each in folds):
                msg = f'{self.runs[0].folder}: its {key} must be those of the other folds'
                raise ValueError(msg)
        joined = {key: np.concatenate([each[key] for each in folds]) for key in keys - _OF_ALL}
        return joined | same

    @cached_property
    def class_scores(self) -> dict[str, float]:
        """Mean score of each class over the folds that have it."""
        by_class: dict[str, list[float]] = {}
        for each in self.runs:
            for name, score in each.class_scores.items():
                by_class.setdefault(name, []).append(score)
        return {name: float(np.mean(scores)) for name, scores in by_class.items()}

    def of_folds(self, folds: Collection[int]) -> FoldedResult:
        """Return the result of some of the folds."""
        if len(folds) == len(self.by_fold):
            return self
        return FoldedResult({fold: each for fold, each in self.by_fold.items() if fold in folds})


AnyResult = Result | FoldedResult
"""Of a seed: of one run, or of one run a fold."""


def fold_up(results: Iterable[Result]) -> AnyResult:
    """Return the results of one seed, which differ in their fold, as one.

    Raises:
        ValueError: If one of several has no fold.
    """
    runs = sorted(results, key=lambda each: -1 if each.fold is None else each.fold)
    by_fold = {each.fold: each for each in runs if each.fold is not None}
    if not by_fold:
        (run,) = runs
        return run
    if len(by_fold) < len(runs):
        msg = f'{runs[0].folder} must be the result of a fold, as {runs[-1].folder} is'
        raise ValueError(msg)
    return FoldedResult(by_fold)


def matched(first: AnyResult, second: AnyResult) -> tuple[AnyResult, AnyResult] | None:
    """Return two results of the folds that both have; None if there is no such fold."""
    if isinstance(first, Result) and isinstance(second, Result):
        return first, second
    if isinstance(first, Result) or isinstance(second, Result):
        return None
    shared = first.by_fold.keys() & second.by_fold.keys()
    return (first.of_folds(shared), second.of_folds(shared)) if shared else None
