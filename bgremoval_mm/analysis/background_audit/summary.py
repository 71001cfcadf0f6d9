"""The result of an audit: the share of the score that each condition retains, and by class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bgremoval_mm.analysis.background_audit.uncertainty import Uncertainty
from bgremoval_mm.engine.comparison import unit

__all__ = ['Audit', 'ConditionScores']


@dataclass
class ConditionScores:
    """A model under one condition.

    Attributes:
        condition: See ChangeBackground.
        draws: Metrics of each draw of other backgrounds; of other conditions there is one.
        classes: Score of each class, mean over draws; None for a class without photos.
    """

    condition: str
    draws: list[dict[str, float]]
    classes: dict[str, float | None] = field(default_factory=dict)

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric over the draws, None if one of them does not have it.

        Detectors have no AP where nothing is detected: the mean of the others would be too high.
        """
        values = self._values(metric)
        return float(np.mean(values)) if values else None

    def deviation(self, metric: str) -> float | None:
        """Return the standard deviation over the draws (n - 1); None with one draw, as `mean`."""
        values = self._values(metric)
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    def _values(self, metric: str) -> list[float]:
        values = [draw[metric] for draw in self.draws if metric in draw]
        return values if len(values) == len(self.draws) else []


@dataclass
class Audit:
    """A whole audit.

    Attributes:
        settings: What was audited, and how: another audit with the same settings is the same.
        trained_on: The variant that the config is of: 'original', 'rembg', or 'original + rembg'
            where joined test sets differ.
        images: Number of test photos.
        outcomes: By condition, in the order in which they were measured.
        uncertainty: Intervals over photos, and chance; None: not known.
    """

    settings: dict[str, Any]
    trained_on: str
    images: int
    outcomes: dict[str, ConditionScores] = field(default_factory=dict)
    uncertainty: Uncertainty | None = None

    @property
    def reference(self) -> str:
        """The condition that the model was trained under; of a mixture, the original photos."""
        return 'removed' if self.trained_on == 'rembg' else 'original'

    @property
    def metrics(self) -> list[str]:
        """All metrics, the leading one first; those of the reference condition before others.

        A test in which nothing is detected has none.
        """
        outcomes = sorted(self.outcomes.values(), key=lambda each: each.condition != self.reference)
        names = list(
            dict.fromkeys(name for each in outcomes for draw in each.draws for name in draw)
        )
        leading = [name for name in names if name in _LEADING]
        return [*leading, *(name for name in names if name not in leading)]

    def retained(self, condition: str, metric: str) -> float | None:
        """Return a condition's score in percent of the reference's.

        Returns:
            None if either is missing, or at chance: then the share says nothing.
        """
        if self.is_at_chance(condition):
            return None
        if self.reference not in self.outcomes or condition not in self.outcomes:
            return None
        reference = self.outcomes[self.reference].mean(metric)
        score = self.outcomes[condition].mean(metric)
        return None if not reference or score is None else score / reference * 100

    def is_at_chance(self, condition: str) -> bool:
        """Tell whether the leading score of a condition, or of the reference, may be chance."""
        known = self.uncertainty
        return known is not None and any(map(known.is_at_chance, (self.reference, condition)))

    def background_dependence(self) -> list[dict[str, Any]]:
        """Rank classes by how much they lose with other photos' backgrounds.

        Without the condition 'replaced' the loss with the background removed (or, for a model that
        was trained on removed images, put back) counts.
        """
        other = next(
            (
                name
                for name in ('replaced', 'removed', 'original')
                if name in self.outcomes and name != self.reference
            ),
            None,
        )
        if self.reference not in self.outcomes or other is None:
            return []
        rows = []
        for name, score in self.outcomes[self.reference].classes.items():
            there = self.outcomes[other].classes.get(name)
            if score is None or there is None:
                continue
            scores = {
                condition: outcome.classes.get(name) for condition, outcome in self.outcomes.items()
            }
            rows.append({'class': name, 'lost': score - there, 'with': other, 'scores': scores})
        return sorted(rows, key=lambda row: -row['lost'])

    def as_json(self) -> dict[str, Any]:
        """Return everything, for a file."""
        metrics = self.metrics
        return {
            'settings': self.settings,
            'trained_on': self.trained_on,
            'images': self.images,
            'outcomes': {name: asdict(outcome) for name, outcome in self.outcomes.items()},
            'summary': {
                name: {
                    metric: {
                        'mean': outcome.mean(metric),
                        'deviation': outcome.deviation(metric),
                        'survives_percent': self.retained(name, metric),
                        'unit': unit(metric),
                    }
                    for metric in metrics
                }
                for name, outcome in self.outcomes.items()
            },
            'leaning': self.background_dependence(),
            'uncertainty': None if self.uncertainty is None else self.uncertainty.as_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Audit:
        """Read :meth:`as_json` back.

        Raises:
            KeyError, TypeError: If it is something else.
        """
        outcomes = {name: ConditionScores(**each) for name, each in content['outcomes'].items()}
        known = content.get('uncertainty')
        return cls(
            content['settings'],
            content['trained_on'],
            content['images'],
            outcomes,
            None if known is None else Uncertainty.from_json(known),
        )


_LEADING = ('accuracy/top1', 'coco/segm_mAP', 'coco/bbox_mAP', 'mIoU')
