"""The demo's figures: mask IoU, top-1 accuracy with its interval, and the paired comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from bgremoval_mm.evaluation.statistics import mcnemar


def mask_iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks, foreground where a pixel is above 127.

    Args:
        mask: uint8, H x W.
        truth: uint8, H x W.

    Returns:
        Fraction from 0 to 1; 1 when neither mask has a foreground.

    Raises:
        ValueError: The shapes differ.
    """
    if mask.shape != truth.shape:
        msg = f'mask and truth must have one shape, got {mask.shape} and {truth.shape}'
        raise ValueError(msg)
    a, b = mask > 127, truth > 127
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


@dataclass(frozen=True)
class Accuracy:
    """Share of right answers, percent, with Wilson's 95 % interval."""

    right: int
    total: int
    percent: float
    low: float
    high: float

    @classmethod
    def of(cls, right: Sequence[bool]) -> Accuracy:
        """Count right answers; a ValueError when there is none to count."""
        if not right:
            msg = 'accuracy needs at least one answer, got none'
            raise ValueError(msg)
        count, total = sum(map(bool, right)), len(right)
        interval = binomtest(count, total).proportion_ci(confidence_level=0.95, method='wilson')
        return cls(count, total, 100 * count / total, 100 * interval.low, 100 * interval.high)

    def __str__(self) -> str:
        return (
            f'{self.percent:5.1f} %   ({self.right} of {self.total}; '
            f'95 % interval {self.low:.1f} to {self.high:.1f})'
        )


@dataclass(frozen=True)
class Comparison:
    """Two arms on the same pictures.

    Attributes:
        diff: Second arm's accuracy minus the first's, percentage points.
        error: Standard error of ``diff`` for paired answers, percentage points.
        both: Pictures that both arms have right.
        only_first: Pictures that only the first arm has right.
        only_second: Pictures that only the second arm has right.
        neither: Pictures that both have wrong.
        p_value: Exact two-sided McNemar test of equal accuracy.
    """

    diff: float
    error: float
    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float

    @classmethod
    def of(cls, first: Sequence[bool], second: Sequence[bool]) -> Comparison:
        """Compare the answers of two arms, given in one order of pictures.

        Raises:
            ValueError: The arms answered different numbers of pictures, or none.
        """
        if len(first) != len(second) or not first:
            msg = (
                'both arms must have answered the same pictures, at least one; '
                f'got {len(first)} and {len(second)}'
            )
            raise ValueError(msg)
        a, b = np.asarray(first, bool), np.asarray(second, bool)
        total = len(a)
        only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
        discordant = only_first + only_second
        diff = (only_second - only_first) / total
        return cls(
            diff=100 * diff,
            error=100 * float(np.sqrt(max(discordant / total - diff**2, 0) / total)),
            both=int((a & b).sum()),
            only_first=only_first,
            only_second=only_second,
            neither=int((~a & ~b).sum()),
            p_value=mcnemar(a, b).p,
        )
