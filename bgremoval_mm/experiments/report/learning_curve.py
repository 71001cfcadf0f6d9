"""Learning curves: how accurate networks are after training with some or all of the photos.

Results are those of ``tools/reproduce.py run`` with the option ``train_dataset.every=N``, which
takes one in N training photos; those without it are of all photos.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bgremoval_mm.evaluation.statistics import Estimate, seed_interval
from bgremoval_mm.experiments.base import Experiment, Metric, Variant, Work
from bgremoval_mm.experiments.report.folds import AnyResult, fold_up
from bgremoval_mm.experiments.report.groups import Pair
from bgremoval_mm.experiments.report.results import Result
from bgremoval_mm.experiments.report.words import GAP
from bgremoval_mm.experiments.runner.runs import networks_of
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = ['LearningCurves', 'collect_curves', 'curve_rows']

_EVERY = 'train_dataset.every'
# What may differ from point to point: with fewer photos an epoch has fewer steps.
_LENGTH = ('train_cfg.', 'param_scheduler.')


_Point = tuple[str, str, int]
"""Network, variant and number of training photos."""


@dataclass(frozen=True)
class LearningCurves:
    """Results by network, variant, number of training photos and seed.

    Attributes:
        metric: What was measured.
        experiments: Networks, as configs are named, to their experiments.
        variants: Those that were run, the baseline first.
        results: (network, variant, number of training photos) to seed to result.
    """

    metric: Metric
    experiments: Mapping[str, Experiment]
    variants: tuple[Variant, ...]
    results: Mapping[_Point, Mapping[int, AnyResult]]

    @property
    def sizes(self) -> list[int]:
        """Numbers of training photos."""
        return sorted({size for _, _, size in self.results})

    @property
    def missing(self) -> list[str]:
        """What was not run though another curve has such a point, in words."""
        return [
            f'{experiment.title}, {variant.title}, {size:,} training photos'
            for model, experiment in self.experiments.items()
            for variant in self.variants
            for size in self.sizes
            if (model, variant.name, size) not in self.results
        ]

    def points(self, model: str, variant: str) -> dict[int, Mapping[int, float]]:
        """Return the points of a curve: number of training photos to seed to score."""
        found = {size: self.results.get((model, variant, size), {}) for size in self.sizes}
        return {
            size: {seed: each.metrics[self.metric.key] for seed, each in results.items()}
            for size, results in found.items()
            if results
        }

    def differences(self, model: str, variant: Variant) -> dict[int, Estimate]:
        """Return a variant minus the baseline, over the seeds that both have, by size."""
        found = {}
        for size in self.sizes:
            baseline, changed = (
                self.results.get((model, each.name, size), {})
                for each in (self.variants[0], variant)
            )
            pair = Pair(self.experiments[model], variant, baseline, changed)
            estimate = pair.difference(self.metric.key)
            if estimate is not None:
                found[size] = estimate
        return found


def collect_curves(
    results: Iterable[Result],
    work: Work,
    item: str,
    dataset: str,
    photos: int,
    models: Sequence[str] = (),
    variants: Sequence[str] = (),
) -> LearningCurves:
    """Sort results into learning curves.

    The folds of a cross-validation are one result, as in the report.

    Args:
        results: Of any works, items and options.
        work: The work whose experiments they are.
        item: Its figure or table.
        dataset: On which dataset, as configs are named.
        photos: Number of all training photos; of a cross-validation, in one fold.
        models: Networks, as configs are named; empty for all that have results.
        variants: Names of variants; empty for all that have results.

    Raises:
        ArgumentError: If a name is not known, there is no result of it, all are of one number of
            photos, two are of the same run, or they differ in options that are not about length.
    """
    known = [each for each in work.experiments if each.item == item and dataset in each.datasets]
    if not known:
        msg = f'`item` and `dataset` must be of {work.name}, but got {item!r} and {dataset!r}'
        raise ArgumentError(msg)
    _check_names('models', models, [each.model for each in known])
    _check_names('variants', variants, [each.name for each in known[0].variants])
    chosen = [
        each
        for each in results
        if each.work == work.name
        and each.group[:2] == (item, dataset)
        and (not models or each.run[0] in models)
        and (not variants or each.run[1] in variants)
    ]
    where = f'{item}, {dataset}'
    if not chosen:
        msg = f'there is no result of {where}: python tools/reproduce.py run --results "{item}"'
        raise ArgumentError(msg)
    _check_alike(chosen)
    metric = work.metrics[item][0]
    found = _by_point(chosen, photos, metric)
    found_models, found_variants = ({point[index] for point in found} for index in (0, 1))
    for argument, wanted, there in (
        ('models', models, found_models),
        ('variants', variants, found_variants),
    ):
        if absent := [name for name in wanted if name not in there]:
            msg = f'there is no result of {where} of these `{argument}`: {", ".join(absent)}'
            raise ArgumentError(msg)
    curves = LearningCurves(
        metric,
        {each.model: each for each in known if each.model in found_models},
        tuple(each for each in known[0].variants if each.name in found_variants),
        found,
    )
    if len(curves.sizes) < 2:
        msg = (
            f'a learning curve must have two numbers of training photos or more, but all results '
            f'of {where} are of {curves.sizes[0]:,}: python tools/reproduce.py run --cfg-options '
            f'{_EVERY}=4, in another --root'
        )
        raise ArgumentError(msg)
    return curves


def _by_point(
    results: Iterable[Result], photos: int, metric: Metric
) -> dict[_Point, dict[int, AnyResult]]:
    """Sort results by point and seed, and those of the folds of a seed into one."""
    by_fold: dict[tuple[_Point, int], dict[int | None, Result]] = {}
    for each in results:
        model, variant, seed = each.run
        point = (model, variant, math.ceil(photos / _every(each)))
        folds = by_fold.setdefault((point, seed), {})
        if (other := folds.setdefault(each.fold, each)) is not each:
            msg = f'{other.folder} and {each.folder} are results of the same run'
            raise ArgumentError(printable(msg))
    found: dict[_Point, dict[int, AnyResult]] = {}
    for (point, seed), folds in by_fold.items():
        result = fold_up(folds.values())
        if result.metrics.get(metric.key) is None:
            folder = printable(result.runs[0].folder)
            msg = f'{folder} has no {metric.key}, which a learning curve shows'
            raise ArgumentError(msg)
        found.setdefault(point, {})[seed] = result
    return found


def _check_names(argument: str, names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            msg = f'`{argument}` must be of {", ".join(known)}, but got {name!r}'
            raise ArgumentError(msg)


def _settings(result: Result) -> dict[str, str]:
    """Return the options that a run had, by their keys; the last of each holds."""
    options = (option.partition('=') for option in result.content['options'])
    return {key: value for key, _, value in options}


def _every(result: Result) -> int:
    value = _settings(result).get(_EVERY, '1')
    if not value.isdecimal() or int(value) < 1:
        msg = f'{_EVERY} must be a whole number from 1, but {result.folder} has {value!r}'
        raise ArgumentError(printable(msg))
    return int(value)


def _check_alike(results: Sequence[Result]) -> None:
    """Refuse results whose options differ in more than photos and length of the training."""

    def others(result: Result) -> set[str]:
        return {
            f'{key}={value}'
            for key, value in _settings(result).items()
            if key != _EVERY and not networks_of(f'{key}={value}')[1].startswith(_LENGTH)
        }

    first = others(results[0])
    for each in results[1:]:
        if differing := sorted(first ^ others(each)):
            msg = (
                'the results must have the same options, but for the number of photos and the '
                f'length of the training: {results[0].folder} and {each.folder} differ in '
                f'{", ".join(differing)}'
            )
            raise ArgumentError(printable(msg))


def curve_rows(curves: LearningCurves) -> list[dict[str, str]]:
    """Return the points as rows of a table: scores, and differences from the baseline."""
    digits = curves.metric.digits
    rows = []
    for model, experiment in curves.experiments.items():
        for variant in curves.variants:
            gaps = {} if variant == curves.variants[0] else curves.differences(model, variant)
            for size, scores in curves.points(model, variant.name).items():
                score, gap = seed_interval(list(scores.values())), gaps.get(size)
                rows.append(
                    {
                        'network': experiment.title,
                        'variant': variant.title,
                        'training photos': str(size),
                        'seeds': ' '.join(map(str, sorted(scores))),
                        curves.metric.title: f'{score.mean:.{digits}f}',
                        'least': f'{min(scores.values()):.{digits}f}',
                        'most': f'{max(scores.values()):.{digits}f}',
                        'difference': GAP if gap is None else f'{gap.mean:+.{digits}f}',
                        '95 % from': _end(None if gap is None else gap.low, digits),
                        '95 % to': _end(None if gap is None else gap.high, digits),
                    }
                )
    return rows


def _end(value: float | None, digits: int) -> str:
    return GAP if value is None else f'{value:+.{digits}f}'
