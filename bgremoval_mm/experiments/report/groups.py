"""Results sorted into the figures and tables of a work: each network in each variant, by seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bgremoval_mm.evaluation.statistics import Discordance, Estimate, seed_interval
from bgremoval_mm.experiments.base import Experiment, Metric, Variant, Work
from bgremoval_mm.experiments.report.folds import AnyResult, fold_up, matched
from bgremoval_mm.experiments.report.over_images import discordance, resampler
from bgremoval_mm.experiments.report.results import Result
from bgremoval_mm.removal.errors import BgremovalError

__all__ = ['Cell', 'Group', 'OtherImagesError', 'Pair', 'group_results']


class OtherImagesError(BgremovalError, ValueError):
    """Two results cannot be paired image by image."""


BySeed = Mapping[int, AnyResult]


_Key = tuple[str, str, int, int | None]
"""Network, variant, seed and fold."""


def _values(results: BySeed, metric: str) -> dict[int, float]:
    return {
        seed: result.metrics[metric]
        for seed, result in results.items()
        if result.metrics.get(metric) is not None
    }


def _estimate(values: Mapping[int, float]) -> Estimate | None:
    return seed_interval(list(values.values())) if values else None


@dataclass(frozen=True)
class Pair:
    """A variant of an experiment beside its baseline. Everything is variant minus baseline.

    Of an experiment with folds, a seed's result is the mean of the folds that both have.

    Attributes:
        experiment: The experiment.
        variant: The variant.
        baseline: Seed to result of the baseline.
        changed: Seed to result of the variant.
    """

    experiment: Experiment
    variant: Variant
    baseline: BySeed
    changed: BySeed
    _over_images: dict[str, Estimate | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def differences(self, metric: str) -> dict[int, float]:
        """Return the difference of a metric by seed that both have."""
        pairs = self.matched
        first = _values({seed: each for seed, (each, _) in pairs.items()}, metric)
        second = _values({seed: each for seed, (_, each) in pairs.items()}, metric)
        return {seed: second[seed] - first[seed] for seed in sorted(first.keys() & second.keys())}

    def difference(self, metric: str) -> Estimate | None:
        """Return the mean difference over seeds with its interval, or None."""
        return _estimate(self.differences(metric))

    @cached_property
    def matched(self) -> dict[int, tuple[AnyResult, AnyResult]]:
        """Seed to baseline and variant, of the seeds and folds that both have."""
        seeds = sorted(self.baseline.keys() & self.changed.keys())
        pairs = {seed: matched(self.baseline[seed], self.changed[seed]) for seed in seeds}
        return {seed: pair for seed, pair in pairs.items() if pair is not None}

    @property
    def runs(self) -> list[tuple[AnyResult, AnyResult]]:
        """Baseline and variant, of each seed that both have.

        Raises:
            OtherImagesError: If the two have been tested on other images.
        """
        runs = list(self.matched.values())
        for first, second in runs:
            if (first.has_per_image and second.has_per_image) and not np.array_equal(
                first.per_image['names'], second.per_image['names']
            ):
                folders = f'{first.runs[0].folder} and {second.runs[0].folder}'
                msg = f'{folders} were tested on other images'
                raise OtherImagesError(msg)
        return runs

    def over_images(self, metric: Metric) -> Estimate | None:
        """Return the difference with a bootstrap over images; None where it cannot be made.

        It is of the seeds that `difference` is of: a run without detections has files, but no mAP.
        """
        if metric.key not in self._over_images:  # of mAP it takes a minute
            seeds = self.differences(metric.key)
            matched = zip(self.matched, self.runs, strict=True) if metric.over_images else ()
            runs = [pair for seed, pair in matched if seed in seeds]
            self._over_images[metric.key] = resampler(metric.over_images)(runs) if runs else None
        return self._over_images[metric.key]

    def mcnemar(self) -> dict[int, Discordance]:
        """Return McNemar's test by seed, where there are per-image results (classification)."""
        tests = {pair[0].runs[0].run[2]: discordance(pair) for pair in self.runs}
        return {seed: test for seed, test in tests.items() if test is not None}

    def class_differences(self) -> dict[str, Estimate]:
        """Return the difference by class over seeds, in the unit of the item's last metric.

        Top-1 accuracy (classification), IoU (semantic segmentation) or AP of masks (instance
        segmentation) of each class of which both have a score.
        """
        by_class: dict[str, list[float]] = {}
        for first, second in self.runs:
            for name in first.class_scores:
                if name in second.class_scores:
                    change = second.class_scores[name] - first.class_scores[name]
                    by_class.setdefault(name, []).append(change)
        return {name: seed_interval(values) for name, values in by_class.items()}


@dataclass(frozen=True)
class Cell:
    """An experiment on a dataset, with its results.

    Attributes:
        experiment: The experiment.
        results: Name of a variant to seed to result; what was not run is not there.
    """

    experiment: Experiment
    results: Mapping[str, BySeed]

    def values(self, metric: str, variant: str) -> dict[int, float]:
        """Return a metric by seed, of the runs that have it."""
        return _values(self.results.get(variant, {}), metric)

    def mean(self, metric: str, variant: str) -> Estimate | None:
        """Return a metric's mean over seeds, or None."""
        return _estimate(self.values(metric, variant))

    def pair(self, variant: str) -> Pair:
        """Return a variant beside its baseline."""
        baseline = self.experiment.variants[0].name
        return Pair(
            self.experiment,
            self.experiment.variant(variant),
            self.results.get(baseline, {}),
            self.results.get(variant, {}),
        )

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every variant beside the baseline."""
        return [self.pair(variant.name) for variant in self.experiment.variants[1:]]


@dataclass(frozen=True)
class Group:
    """An item of a work on a dataset, by runs of the same options.

    Attributes:
        work: The work.
        item: 'Fig. 5' ...
        dataset: As configs are named.
        options: Settings that the runs changed; not empty means reduced.
        cells: Every experiment of the item, those without results too.
    """

    work: Work
    item: str
    dataset: str
    options: tuple[str, ...]
    cells: list[Cell] = field(default_factory=list)

    @property
    def is_own(self) -> bool:
        """Whether these are data that the work itself used."""
        return self.work.datasets[self.dataset].is_own

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Metrics of the item."""
        return self.work.metrics[self.item]

    @property
    def variants(self) -> list[Variant]:
        """Variants of the experiments, a baseline first."""
        found = (variant for cell in self.cells for variant in cell.experiment.variants)
        return list(dict.fromkeys(found))

    @property
    def has_numbers(self) -> bool:
        """Whether the work prints numbers of it."""
        return any(
            self.work.number(cell.experiment, self.dataset, metric)
            for cell in self.cells
            for metric in self.metrics
        )

    @property
    def results(self) -> list[Result]:
        """The results of all runs in it."""
        found = (each for cell in self.cells for each in cell.results.values())
        return [run for by_seed in found for each in by_seed.values() for run in each.runs]

    @property
    def has_folds(self) -> bool:
        """Whether its experiments are cross-validated."""
        return any(cell.experiment.folds for cell in self.cells)

    @property
    def drawn(self) -> str:
        """What intervals that are not over seeds are over: 'images', 'products' or 'items'."""
        return next((each.drawn for each in self.metrics if each.drawn != 'images'), 'images')

    def cell(self, model: str) -> Cell | None:
        """Return the cell of a network, or None."""
        return next((cell for cell in self.cells if cell.experiment.model == model), None)


def group_results(results: Iterable[Result], work: Work) -> list[Group]:
    """Sort the results of a work into groups, in its order; each has a cell for every experiment.

    An item and dataset without any result is a group with empty cells.

    Raises:
        ValueError: If two results are of the same run.
    """
    found: dict[tuple[str, str, tuple[str, ...]], dict[_Key, Result]] = {}
    for result in results:
        if result.work == work.name:
            runs = found.setdefault(result.group, {})
            key = (*result.run, result.fold)
            if key in runs:
                msg = f'{runs[key].folder} and {result.folder} are results of the same run'
                raise ValueError(msg)
            runs[key] = result
    groups = []
    for item in work.items:
        experiments = [each for each in work.experiments if each.item == item]
        for dataset in dict.fromkeys(name for each in experiments for name in each.datasets):
            keys = [key for key in found if key[:2] == (item, dataset)] or [(item, dataset, ())]
            groups += [
                Group(work, *key, _cells(experiments, dataset, found.get(key, {})))
                for key in sorted(keys, key=lambda key: key[2])
            ]
    return groups


def _cells(
    experiments: Iterable[Experiment], dataset: str, runs: Mapping[_Key, Result]
) -> list[Cell]:
    cells = []
    for experiment in experiments:
        if dataset in experiment.datasets:
            found: dict[str, dict[int, list[Result]]] = {e.name: {} for e in experiment.variants}
            for (model, variant, seed, _), result in sorted(runs.items(), key=lambda i: i[0][:3]):
                if model == experiment.model and variant in found:
                    found[variant].setdefault(seed, []).append(result)
            results = {
                name: {seed: fold_up(each) for seed, each in by_seed.items()}
                for name, by_seed in found.items()
                if by_seed
            }
            cells.append(Cell(experiment, results))
    return cells
