"""Removed minus original: of a network, of several together, and of classes."""

from __future__ import annotations

from collections.abc import Iterable

from bgremoval_mm.evaluation.statistics import Estimate, seed_interval
from bgremoval_mm.experiments.base import REMBG
from bgremoval_mm.experiments.report.groups import Cell, Group, Pair
from bgremoval_mm.experiments.report.judging import show, sign_of

__all__ = [
    'TOP1',
    'are_all_run',
    'class_means',
    'contrast_of',
    'difference_of',
    'listed',
    'mean_by_seed',
    'models_of',
    'pair_of',
    'signs_of',
]

TOP1 = 'accuracy/top1'
_OF_CLASS = 'accuracy/class/'


def pair_of(cell: Cell) -> Pair:
    """Return the runs on originals beside those on removed images."""
    return cell.pair(REMBG.name)


def models_of(group: Group) -> list[str]:
    """Return the networks of a group."""
    return [cell.experiment.model for cell in group.cells]


def difference_of(group: Group, model: str, metric: str = TOP1) -> Estimate | None:
    """Return a network's difference; None if it has not been run."""
    cell = group.cell(model)
    return None if cell is None else pair_of(cell).difference(metric)


def signs_of(group: Group, models: Iterable[str]) -> list[int | None]:
    """Return on which side of 0 the intervals of networks are, as ``sign_of`` does."""
    return [sign_of(difference_of(group, model)) for model in models]


def mean_by_seed(group: Group, models: Iterable[str]) -> dict[int, float]:
    """Return the mean difference of networks, by seed that all of them have."""
    tables = []
    for model in models:
        cell = group.cell(model)
        tables.append({} if cell is None else pair_of(cell).differences(TOP1))
    seeds = set.intersection(*(set(table) for table in tables)) if tables else set()
    return {seed: sum(table[seed] for table in tables) / len(tables) for seed in sorted(seeds)}


def contrast_of(group: Group, first: Iterable[str], second: Iterable[str]) -> Estimate | None:
    """Return the mean improvement of some networks minus that of others, over seeds."""
    a, b = mean_by_seed(group, first), mean_by_seed(group, second)
    values = [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]
    return seed_interval(values) if values else None


def class_means(group: Group, models: Iterable[str]) -> dict[str, Estimate]:
    """Return the difference of each class, averaged over networks, by seed."""
    # Seeds that a network lacks would be means over other networks.
    models = list(models)
    complete = set(mean_by_seed(group, models))
    by_class: dict[str, dict[int, list[float]]] = {}
    for cell in map(group.cell, models):
        pair = None if cell is None else pair_of(cell)
        for key in pair.runs[0][0].metrics if pair and pair.runs else ():
            if pair and key.startswith(_OF_CLASS):
                for seed, value in pair.differences(key).items():
                    if seed in complete:
                        name = key.removeprefix(_OF_CLASS)
                        by_class.setdefault(name, {}).setdefault(seed, []).append(value)
    return {
        name: seed_interval([sum(values) / len(values) for values in seeds.values()])
        for name, seeds in by_class.items()
    }


def are_all_run(group: Group, models: Iterable[str]) -> bool:
    """Return whether each of these networks has a pair of runs."""
    cells = [group.cell(model) for model in models]
    return all(cell is not None and pair_of(cell).runs for cell in cells)


def listed(group: Group, models: Iterable[str]) -> str:
    """Return the differences of networks, for people."""
    shown = []
    for model in models:
        cell = group.cell(model)
        if cell is not None:
            shown.append(f'{cell.experiment.title} {show(difference_of(group, model))}')
    return '; '.join(shown)
