"""Results of finished runs, sorted into the cells of the paper's figures and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.evaluation.coco_bootstrap import ResampledMap, map_difference
from bgremoval_mm.evaluation.metrics.per_image import EVIDENCE
from bgremoval_mm.evaluation.statistics import (
    Discordance,
    Estimate,
    accuracy_difference,
    iou_difference,
    mcnemar,
    seed_interval,
)
from bgremoval_mm.experiments.papers.liang2023.experiments import ARMS, EXPERIMENTS, Experiment
from bgremoval_mm.experiments.runner.runs import PLACES, RESULT
from bgremoval_mm.experiments.runner.state import read_json
from bgremoval_mm.experiments.runner.worker import SCHEMA

__all__ = ['METRICS_OF', 'Cell', 'Group', 'Metric', 'Result', 'group_results', 'read_results']


@dataclass(frozen=True)
class Metric:
    """A column of the paper's tables.

    Attributes:
        key: Its name in ``result.json``.
        title: Its name for people.
        unit: 'percent' or 'fraction'.
        paper: Attribute of the experiment with the paper's numbers (original, removed); '' where
            the paper prints none.
    """

    key: str
    title: str
    unit: str
    paper: str = ''

    @property
    def digits(self) -> int:
        """Decimals that are shown."""
        return 3 if self.unit == 'fraction' else 2


_TOP1 = Metric('accuracy/top1', 'top-1 accuracy', 'percent')
METRICS_OF: dict[str, tuple[Metric, ...]] = {
    'Fig. 5': (_TOP1,),
    'Fig. 6': (_TOP1,),
    'Fig. 7': (_TOP1,),
    'Table I': (
        Metric('coco/bbox_mAP', 'box mAP', 'fraction', 'bbox_map'),
        Metric('coco/segm_mAP', 'mask mAP', 'fraction', 'segm_map'),
    ),
    'Table II': (
        Metric('mIoU', 'mIoU', 'percent', 'miou'),
        Metric('mAcc', 'mean accuracy', 'percent', 'macc'),
    ),
}


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        folder: Its folder.
        content: ``result.json``.
    """

    folder: Path
    content: Mapping[str, Any]

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the test, in OpenMMLab's units."""
        metrics: Mapping[str, float] = self.content['metrics']
        return metrics

    @cached_property
    def evidence(self) -> dict[str, np.ndarray]:
        """The arrays of ``evidence.npz``.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is not that of the result.
        """
        with np.load(self.folder / EVIDENCE) as arrays:
            evidence = {name: arrays[name] for name in arrays.files}
        if 'labels' in evidence and 'accuracy/top1' in self.metrics:
            found = float((evidence['labels'] == evidence['predictions']).mean() * 100)
            if abs(found - self.metrics['accuracy/top1']) > 0.01:
                msg = (
                    f'{self.folder / EVIDENCE} is not that of {RESULT}: its accuracy is '
                    f'{found:.2f}, the result says {self.metrics["accuracy/top1"]:.2f}. It was '
                    'written by another test; do the run again, or test its checkpoint anew.'
                )
                raise ValueError(msg)
        return evidence

    @cached_property
    def class_scores(self) -> dict[str, float]:
        """Accuracy or IoU (percent) or AP of masks (a fraction) of each class that occurs."""
        prefix = 'accuracy/class/'
        scores = {
            key.removeprefix(prefix): value
            for key, value in self.metrics.items()
            if key.startswith(prefix) and value is not None
        }
        if scores:
            return scores
        if self.has_evidence and 'areas' in self.evidence:
            areas = self.evidence['areas'].sum(axis=0)
            names = self.evidence['classes'].tolist()
            return {
                name: float(both) / union * 100
                for name, (both, union, _, known) in zip(names, areas, strict=True)
                if known
            }
        annotations = Path(self.content.get('annotations', ''))
        predictions = self.folder / 'predictions.segm.json'
        if annotations.is_file() and predictions.is_file():
            return ResampledMap(annotations, predictions, 'segm').by_class()
        return {}

    @property
    def has_evidence(self) -> bool:
        """Whether there is evidence of single images."""
        return (self.folder / EVIDENCE).is_file()


def read_results(root: Path) -> list[Result]:
    """All results below a folder, at any depth.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If a file is not a result; the message names it.
    """
    if not root.is_dir():
        msg = f'there is no folder {root}'
        raise FileNotFoundError(msg)
    results = []
    for file in sorted(root.rglob(RESULT)):
        content = read_json(file) or {}
        needed = ('experiment', 'metrics', 'options', 'commit', 'device')
        missing = [key for key in needed if key not in content]
        if content.get('schema') != SCHEMA or missing:
            msg = (
                f'{file} must be a result of schema {SCHEMA}, but has schema '
                f'{content.get("schema")!r} and lacks {missing}'
            )
            raise ValueError(msg)
        results.append(Result(file.parent, content))
    return results


@dataclass(frozen=True)
class Cell:
    """An experiment on a data set: results of both arms by seed.

    Attributes:
        experiment: The experiment.
        arms: Arm to seed to result; an arm or a seed without result is not there.
    """

    experiment: Experiment
    arms: Mapping[str, Mapping[int, Result]]

    def values(self, metric: str, arm: str) -> dict[int, float]:
        """A metric by seed, of the runs that have it."""
        return {
            seed: result.metrics[metric]
            for seed, result in self.arms.get(arm, {}).items()
            if result.metrics.get(metric) is not None
        }

    def mean(self, metric: str, arm: str) -> Estimate | None:
        """A metric's mean over seeds, or None."""
        values = self.values(metric, arm)
        return seed_interval(list(values.values())) if values else None

    def differences(self, metric: str) -> dict[int, float]:
        """Removed minus original, by seed that both arms have."""
        first, second = (self.values(metric, arm) for arm in ARMS)
        return {seed: second[seed] - first[seed] for seed in sorted(first.keys() & second.keys())}

    def difference(self, metric: str) -> Estimate | None:
        """The mean difference over seeds with its interval, or None."""
        values = self.differences(metric)
        return seed_interval(list(values.values())) if values else None

    @property
    def pairs(self) -> list[tuple[Result, Result]]:
        """Original and removed, of each seed that both arms have.

        Raises:
            ValueError: If the two have been tested on other images.
        """
        first, second = (self.arms.get(arm, {}) for arm in ARMS)
        pairs = [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]
        for original, removed in pairs:
            if (original.has_evidence and removed.has_evidence) and not np.array_equal(
                original.evidence['names'], removed.evidence['names']
            ):
                msg = f'{original.folder} and {removed.folder} were tested on other images'
                raise ValueError(msg)
        return pairs

    def over_images(self, metric: Metric) -> Estimate | None:
        """The difference with a bootstrap over images, in the metric's unit; None without pairs."""
        pairs = self.pairs
        if not pairs:
            return None
        if metric.key in ('accuracy/top1', 'mIoU') and not _complete(pairs):
            return None
        if metric.key == 'accuracy/top1':
            return accuracy_difference(_right(pairs, 0), _right(pairs, 1))
        if metric.key == 'mIoU':
            areas = [np.stack([pair[arm].evidence['areas'] for pair in pairs]) for arm in (0, 1)]
            return iou_difference(areas[0], areas[1])
        if metric.key.startswith('coco/'):
            kind = metric.key.removeprefix('coco/').removesuffix('_mAP')
            files = [
                [pair[arm].folder / f'predictions.{kind}.json' for pair in pairs] for arm in (0, 1)
            ]
            annotations = Path(pairs[0][0].content.get('annotations', ''))
            if annotations.is_file() and all(file.is_file() for arm in files for file in arm):
                return map_difference(annotations, files[0], files[1], kind)
        return None

    def mcnemar(self) -> dict[int, Discordance]:
        """McNemar's test of each seed that has evidence (classification)."""
        return {
            pair[0].content['experiment']['seed']: mcnemar(
                _right([pair], 0)[0], _right([pair], 1)[0]
            )
            for pair in self.pairs
            if _complete([pair])
        }

    def class_differences(self) -> dict[str, Estimate]:
        """Removed minus original by class, over seeds, in the unit of the place's last metric.

        Top-1 accuracy (classification), IoU (semantic segmentation) or AP of masks (instance
        segmentation) of each class that both arms have a score of.
        """
        by_class: dict[str, list[float]] = {}
        for original, removed in self.pairs:
            first, second = original.class_scores, removed.class_scores
            for name in first:
                if name in second:
                    by_class.setdefault(name, []).append(second[name] - first[name])
        return {name: seed_interval(values) for name, values in by_class.items()}


def _complete(pairs: Iterable[tuple[Result, Result]]) -> bool:
    return all(result.has_evidence for pair in pairs for result in pair)


def _right(pairs: Iterable[tuple[Result, Result]], arm: int) -> np.ndarray:
    """Which images an arm got right: bool of shape (seeds, images)."""
    evidence = [pair[arm].evidence for pair in pairs]
    return np.stack([each['labels'] == each['predictions'] for each in evidence])


@dataclass(frozen=True)
class Group:
    """A result of the paper on a data set, by runs of the same options.

    Attributes:
        place: 'Fig. 5' ...
        dataset: As configs are named.
        options: Settings that the runs changed; not empty means reduced.
        cells: Every experiment of the place, those without results too.
    """

    place: str
    dataset: str
    options: tuple[str, ...]
    cells: list[Cell] = field(default_factory=list)

    @property
    def is_papers(self) -> bool:
        """Whether these are the paper's own data."""
        return self.dataset == next(iter(self.cells[0].experiment.datasets))

    @property
    def results(self) -> list[Result]:
        """All results in it."""
        return [r for cell in self.cells for arm in cell.arms.values() for r in arm.values()]

    def cell(self, model: str) -> Cell | None:
        """The cell of a network, or None."""
        return next((cell for cell in self.cells if cell.experiment.model == model), None)


def group_results(results: Iterable[Result]) -> list[Group]:
    """Sort results into groups, in the paper's order; each has a cell for every experiment.

    A place and data set without any result is a group with empty cells.

    Raises:
        ValueError: If two results are of the same run.
    """
    found: dict[tuple[str, str, tuple[str, ...]], dict[tuple[str, str, int], Result]] = {}
    for result in results:
        what = result.content['experiment']
        options = tuple(result.content['options'])
        runs = found.setdefault((what['place'], what['dataset'], options), {})
        run = (what['model'], what['arm'], what['seed'])
        if run in runs:
            msg = f'{runs[run].folder} and {result.folder} are results of the same run'
            raise ValueError(msg)
        runs[run] = result
    groups = []
    for place in PLACES:
        experiments = [each for each in EXPERIMENTS if each.place == place]
        for dataset in dict.fromkeys(name for each in experiments for name in each.datasets):
            keys = [key for key in found if key[:2] == (place, dataset)] or [(place, dataset, ())]
            groups += [
                Group(*key, _cells(experiments, dataset, found.get(key, {})))
                for key in sorted(keys, key=lambda key: key[2])
            ]
    return groups


def _cells(
    experiments: Iterable[Experiment], dataset: str, runs: Mapping[tuple[str, str, int], Result]
) -> list[Cell]:
    cells = []
    for experiment in experiments:
        if dataset in experiment.datasets:
            arms: dict[str, dict[int, Result]] = {}
            for (model, arm, seed), result in sorted(runs.items(), key=lambda item: item[0]):
                if model == experiment.model:
                    arms.setdefault(arm, {})[seed] = result
            cells.append(Cell(experiment, arms))
    return cells
