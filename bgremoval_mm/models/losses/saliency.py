"""Losses of saliency maps: cross-entropy, structural similarity and overlap, of what is known.

Functions of tensors of shape (N, 1, H, W), computed in the precision that they get. `known` is
True where a pixel is annotated: the others have no part in a loss.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ['cross_entropy', 'soft_iou_loss', 'ssim', 'ssim_loss']

_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2  # of Wang et al. (2004), for values in [0, 1]


def cross_entropy(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of the known pixels, 0 without any.

    Args:
        logits: Maps before the sigmoid.
        truth: 0 and 1.
        known: Bool.
    """
    share = known.to(logits.dtype) / known.sum().clamp(min=1)
    return functional.binary_cross_entropy_with_logits(
        logits, truth.to(logits.dtype), share, reduction='sum'
    )


def soft_iou_loss(probability: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return 1 - sum(p g) / sum(p + g - p g) of each map, averaged over the maps.

    Qin et al., "BASNet: Boundary-Aware Salient Object Detection" (2019), equation 6. Without any
    known pixel, or any foreground in both, the loss of a map is 0.

    Args:
        probability: In [0, 1].
        truth: 0 and 1.
        known: Bool.
    """
    share = known.to(probability.dtype)
    both = (probability * truth * share).sum(dim=(1, 2, 3))
    either = ((probability + truth - probability * truth) * share).sum(dim=(1, 2, 3))
    is_empty = either == 0
    found = both / either.masked_fill(is_empty, 1.0)
    return (1 - found.masked_fill(is_empty, 1.0)).mean()


def ssim_loss(probability: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return 1 - the mean structural similarity of the known pixels, 0 without any.

    Pixels that are not known are 0 in both maps for the windows of their neighbours.

    Args:
        probability: In [0, 1].
        truth: 0 and 1.
        known: Bool.
    """
    share = known.to(probability.dtype)
    similarity = ssim(probability * share, truth * share)
    return ((1 - similarity) * share).sum() / share.sum().clamp(min=1)


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the structural similarity of two maps at each pixel.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity" (2004),
    equation 13, with its Gaussian window of 11 x 11 pixels and deviation 1.5. Windows reach out of
    the maps, where they are 0, as in the code of BASNet's authors.

    Args:
        first: In [0, 1].
        second: Of the same shape.

    Returns:
        In [-1, 1], of the same shape.
    """
    offsets = torch.arange(_WINDOW, dtype=first.dtype, device=first.device) - _WINDOW // 2
    weights = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    weights = weights / weights.sum()

    def mean(values: Tensor) -> Tensor:
        pad = _WINDOW // 2
        rows = functional.conv2d(values, weights.view(1, 1, -1, 1), padding=(pad, 0))
        return functional.conv2d(rows, weights.view(1, 1, 1, -1), padding=(0, pad))

    mean_1, mean_2 = mean(first), mean(second)
    variance_1 = mean(first.square()) - mean_1.square()
    variance_2 = mean(second.square()) - mean_2.square()
    covariance = mean(first * second) - mean_1 * mean_2
    light = (2 * mean_1 * mean_2 + _C1) / (mean_1.square() + mean_2.square() + _C1)
    return light * (2 * covariance + _C2) / (variance_1 + variance_2 + _C2)
