"""Results of finished runs, as they lie in their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.evaluation.coco_bootstrap import ResampledMap
from bgremoval_mm.evaluation.functional import class_scores
from bgremoval_mm.evaluation.metrics.per_image import PER_IMAGE_FILE, read_per_image
from bgremoval_mm.evaluation.paired import OF_CLASS, main_score
from bgremoval_mm.experiments.base import Metric
from bgremoval_mm.experiments.papers import WORKS
from bgremoval_mm.experiments.runner.runs import RESULT
from bgremoval_mm.experiments.runner.worker import SCHEMA
from bgremoval_mm.utils.json_io import read_json

__all__ = ['Result', 'read_results']

_NEEDED = ('experiment', 'metrics', 'options', 'commit', 'device')


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
    def work(self) -> str:
        """Name of the work."""
        return str(self.content['experiment'].get('work', WORKS[0]))

    @property
    def group(self) -> tuple[str, str, tuple[str, ...]]:
        """Item, dataset and options: what results share that are shown together."""
        run = self.content['experiment']
        return run['place'], run['dataset'], tuple(self.content['options'])

    @property
    def run(self) -> tuple[str, str, int]:
        """Network, variant and seed."""
        run = self.content['experiment']
        return run['model'], run['arm'], run['seed']

    @property
    def fold(self) -> int | None:
        """Fold of a cross-validation; None if there is none."""
        fold: int | None = self.content['experiment'].get('fold')
        return fold

    @property
    def runs(self) -> list[Result]:
        """The result itself, as ``FoldedResult.runs`` has those of its folds."""
        return [self]

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the test, in OpenMMLab's units."""
        metrics: Mapping[str, float] = self.content['metrics']
        return metrics

    def images(self, metric: Metric) -> int | None:
        """Return how many images of the test a metric was measured on; None if not known."""
        if metric.counted_by:
            count = self.metrics.get(metric.counted_by)
            return None if count is None else int(count)
        return self.content.get('images')

    @property
    def has_per_image(self) -> bool:
        """Whether there are per-image results."""
        return (self.folder / PER_IMAGE_FILE).is_file()

    @cached_property
    def per_image(self) -> dict[str, np.ndarray]:
        """The arrays of the per-image results.

        Raises:
            FileNotFoundError: If there are none.
            ValueError: If they are of another test than the result.
        """
        file = self.folder / PER_IMAGE_FILE
        arrays = read_per_image(file)
        if not arrays.keys() & {'areas', 'first_right', 'predictions'}:
            return arrays
        name, found = main_score(arrays)
        said = self.metrics.get(name)
        if said is not None and abs(found - said) > 0.01:
            msg = (
                f'{file} is not that of {RESULT}: its {name} is {found:.2f}, the result says '
                f'{said:.2f}. It was written by another test; do the run again, or test its '
                'checkpoint again.'
            )
            raise ValueError(msg)
        return arrays

    @cached_property
    def class_scores(self) -> dict[str, float]:
        """Accuracy or IoU (percent) or AP of masks (a fraction) of each class that occurs."""
        scores: Mapping[str, float | None] = {
            key.removeprefix(OF_CLASS): value
            for key, value in self.metrics.items()
            if key.startswith(OF_CLASS)
        }
        if not scores and self.has_per_image and 'areas' in self.per_image:
            scores = class_scores(self.per_image)
        annotations = Path(self.content.get('annotations', ''))
        predictions = self.folder / 'predictions.segm.json'
        if not scores and annotations.is_file() and predictions.is_file():
            scores = ResampledMap(annotations, predictions, 'segm').by_class()
        return {name: score for name, score in scores.items() if score is not None}


def read_results(root: Path) -> list[Result]:
    """Read all results below a folder, at any depth.

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
        missing = [key for key in _NEEDED if key not in content]
        if content.get('schema') != SCHEMA or missing:
            msg = (
                f'{file} must be a result of schema {SCHEMA}, but has schema '
                f'{content.get("schema")!r} and lacks {missing}'
            )
            raise ValueError(msg)
        results.append(Result(file.parent, content))
    return results
