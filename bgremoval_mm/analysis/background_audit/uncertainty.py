"""How sure the scores of an audit are: intervals over photos, and what a score at chance is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bgremoval_mm.evaluation.paired import main_score
from bgremoval_mm.evaluation.proportions import accuracy_interval
from bgremoval_mm.evaluation.statistics import (
    Estimate,
    accuracy_difference,
    iou_difference,
    iou_interval,
)

__all__ = ['Uncertainty', 'chance_level', 'measure_uncertainty', 'photos_of_classes']

PerImage = Mapping[str, np.ndarray]
"""What PerImageAccuracy or PerImageIoU wrote of one test."""


@dataclass(frozen=True)
class Uncertainty:
    """The intervals of an audit's leading metric, in its unit. All are 95 % over the test photos.

    Attributes:
        metric: The metric, such as 'accuracy/top1'.
        chance: What always giving the same answer scores at best; None: not known, as of mAP.
        scores: Condition to score; of several draws, their mean.
        changes: Condition to its score minus the reference's, on the same photos.
        class_photos: Number of test photos of each class.
    """

    metric: str
    chance: float | None
    scores: dict[str, Estimate]
    changes: dict[str, Estimate]
    class_photos: dict[str, int] = field(default_factory=dict)

    def is_at_chance(self, condition: str) -> bool:
        """Tell whether a score cannot be told from that of a constant answer."""
        low = self.scores[condition].low if condition in self.scores else None
        return low is not None and self.chance is not None and low <= self.chance

    def as_json(self) -> dict[str, Any]:
        """Return everything, for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Uncertainty:
        """Read :meth:`as_json` back."""
        made = {
            part: {name: Estimate(**each) for name, each in content[part].items()}
            for part in ('scores', 'changes')
        }
        return cls(**{**content, **made})


def measure_uncertainty(
    tests: Mapping[str, Sequence[PerImage]], reference: str
) -> Uncertainty | None:
    """Return the intervals of an audit's scores.

    Args:
        tests: Condition to the per-image results of each draw; all of the same photos.
        reference: The condition that the others are compared with.

    Returns:
        None if there are no per-image results, as of detection.
    """
    tests = {name: draws for name, draws in tests.items() if draws}
    if not tests:
        return None
    first = next(iter(tests.values()))[0]
    scores = {name: _score(draws) for name, draws in tests.items()}
    changes = {
        name: _change(tests[reference], draws)
        for name, draws in tests.items()
        if name != reference and reference in tests
    }
    metric = main_score(first)[0]
    return Uncertainty(metric, chance_level(first), scores, changes, photos_of_classes(first))


def chance_level(results: PerImage) -> float:
    """Return what the best constant answer scores on these photos, in percent.

    In classification, always the most frequent class: at least 100 / C. In segmentation, the class
    with the largest area everywhere: its share of all pixels, divided by the number of classes that
    are annotated, since all others have an IoU of 0.
    """
    if 'areas' in results:
        annotated = results['areas'].sum(axis=0)[:, 3].astype(float)
        return float(100 * annotated.max() / annotated.sum() / (annotated > 0).sum())
    return float(100 * np.bincount(results['labels']).max() / results['labels'].size)


def photos_of_classes(results: PerImage) -> dict[str, int]:
    """Return on how many photos each class is, if classes have names: as label, or annotated."""
    names = results['classes'].tolist()
    if not names:
        return {}
    if 'areas' in results:
        counts = (results['areas'][..., 3] > 0).sum(axis=0)
    else:
        counts = np.bincount(results['labels'], minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


def _score(draws: Sequence[PerImage]) -> Estimate:
    if 'areas' in draws[0]:
        return iou_interval(np.stack([each['areas'] for each in draws]))
    return accuracy_interval(_right(draws))


def _change(reference: Sequence[PerImage], draws: Sequence[PerImage]) -> Estimate:
    """Return the mean over draws minus that of the reference, by a paired bootstrap over photos."""
    is_area = 'areas' in draws[0]
    first, second = (
        np.stack([each['areas'] for each in tests]) if is_area else _right(tests)
        for tests in (reference, draws)
    )
    # Each draw is paired with each test of the reference: their means stay what they are.
    pairs = np.repeat(first, len(second), axis=0), np.concatenate([second] * len(first))
    return iou_difference(*pairs) if is_area else accuracy_difference(*pairs)


def _right(draws: Sequence[PerImage]) -> np.ndarray:
    return np.stack([each['labels'] == each['predictions'] for each in draws])
