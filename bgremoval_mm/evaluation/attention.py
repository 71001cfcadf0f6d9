"""How much of a network's attention is on the object.

The attention score of Kobs and Hotho, "On Background Bias in Deep Metric Learning", ICMV 2022.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['AttentionShare', 'attention_score', 'attention_share', 'normalise_attention']

_PERCENTILE = 99


def normalise_attention(saliency: np.ndarray) -> np.ndarray:
    """Return saliency clipped to [least value, 99th percentile] and brought to [0, 1].

    Args:
        saliency: float array of shape (H, W).

    Returns:
        float64 array of the same shape; zeros where least value and percentile are the same.
    """
    values = np.asarray(saliency, np.float64)
    low, high = values.min(), np.percentile(values, _PERCENTILE)
    if not high > low:
        return np.zeros_like(values)
    normalised: np.ndarray = (values.clip(low, high) - low) / (high - low)
    return normalised


class AttentionShare(NamedTuple):
    """How attention is distributed over an image.

    Attributes:
        foreground: Share p of the image that is foreground, in [0, 1].
        attention: Share a of the attention that is on it, in [0, 1]; NaN without attention.
        score: (a - p) / (1 - p): 1 where all of it is on the foreground, 0 where it is spread
            evenly, -p / (1 - p) where all of it is on the background; NaN where there is no
            attention, or p = 1.
    """

    foreground: float
    attention: float
    score: float


def attention_share(attention: np.ndarray, mask: np.ndarray) -> AttentionShare:
    """Measure how much of the attention is on the foreground.

    Args:
        attention: 0 or more, shape (H, W).
        mask: Soft mask in [0, 1], shape (H, W), 1 for foreground.

    Raises:
        ArgumentError: If shapes or ranges are others.
    """
    attention, mask = np.asarray(attention, np.float64), np.asarray(mask, np.float64)
    if attention.shape != mask.shape or mask.size == 0:
        msg = (
            '`attention` and `mask` must be of one shape, but got '
            f'{attention.shape} and {mask.shape}'
        )
        raise ArgumentError(msg)
    if not (mask.min() >= 0 and mask.max() <= 1 and attention.min() >= 0):
        msg = (
            '`attention` must be 0 or more and `mask` in [0, 1], but got values from '
            f'{attention.min():g}, and from {mask.min():g} to {mask.max():g}'
        )
        raise ArgumentError(msg)
    everything = float(attention.sum())
    foreground = float(mask.mean())
    if everything == 0:
        return AttentionShare(foreground, float('nan'), float('nan'))
    share = float((attention * mask).sum()) / everything
    if foreground == 1:
        return AttentionShare(foreground, share, float('nan'))
    return AttentionShare(foreground, share, (share - foreground) / (1 - foreground))


def attention_score(attention: np.ndarray, mask: np.ndarray) -> float:
    """Return the attention score of one image, see :class:`AttentionShare`."""
    return attention_share(attention, mask).score
