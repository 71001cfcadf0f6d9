"""Scores over photos and by cluster, and which model is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bgremoval_mm.evaluation.saliency import ImageScores, mean_scores, scores_of_means
from bgremoval_mm.evaluation.statistics import Estimate, draw_weights, percentile_interval

__all__ = ['LEAST', 'LOWER_IS_BETTER', 'Difference', 'differences']

LOWER_IS_BETTER = frozenset({'MAE'})
LEAST = 5  # photos, or products; of fewer, a bootstrap says nothing
_CHUNK = 250  # draws at a time, whose curves would fill the memory


@dataclass(frozen=True)
class Difference:
    """A model's score minus the first model's, on the same photos.

    Attributes:
        score: Name of the score.
        estimate: With the 95 % interval of a paired bootstrap over photos; over products, where
            they are known. Without an interval for fewer than `LEAST` of them.
    """

    score: str
    estimate: Estimate

    @property
    def verdict(self) -> str:
        """``'better'`` or ``'worse'`` where the interval excludes 0, else ``'undecided'``."""
        sign = self.estimate.sign * (-1 if self.score in LOWER_IS_BETTER else 1)
        return {1: 'better', -1: 'worse', 0: 'undecided'}[sign]


def differences(
    first: Sequence[ImageScores],
    other: Sequence[ImageScores],
    units: Sequence[str],
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Return the differences of all scores.

    Args:
        first: Scores of the first model, of each photo; at least one.
        other: Those of the other model.
        units: What is drawn as a whole, for each photo: its product, or its own name.
        resamples: How often they are drawn.
        seed: Of the draws.

    Returns:
        Difference by score.
    """
    observed = [mean_scores(each) for each in (first, other)]
    gaps = {name: observed[1][name] - value for name, value in observed[0].items()}
    count = len(set(units))
    if count < LEAST:
        return {
            name: Difference(name, Estimate(gap, None, None, count)) for name, gap in gaps.items()
        }
    weights = draw_weights(np.asarray(units), resamples, seed)
    drawn = [_scores_of_draws(each, weights) for each in (first, other)]
    return {
        name: Difference(name, percentile_interval(gap, drawn[1][name] - drawn[0][name], count))
        for name, gap in gaps.items()
    }


def _scores_of_draws(images: Sequence[ImageScores], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return each score of each draw, shape (R,).

    Args:
        images: Of each photo.
        weights: How often each photo counts, shape (R, N).
    """
    values = {name: np.array([each.values[name] for each in images]) for name in images[0].values}
    curves = {name: np.stack([each.curves[name] for each in images]) for name in images[0].curves}
    parts: list[dict[str, np.ndarray]] = []
    for start in range(0, len(weights), _CHUNK):
        chosen = weights[start : start + _CHUNK]
        shares = chosen / chosen.sum(axis=1, keepdims=True)
        parts.append(
            scores_of_means(
                {name: shares @ each for name, each in values.items()},
                {name: shares @ each for name, each in curves.items()},
            )
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in values}
