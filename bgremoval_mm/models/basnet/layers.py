"""Layers that all parts of BASNet have."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ['enlarge', 'halve']


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """Interpolate (N, C, h, w) bilinearly to height and width of another tensor."""
    return functional.interpolate(x, size=like.shape[-2:], mode='bilinear', align_corners=False)


def halve(x: Tensor) -> Tensor:
    """Take the maximum of each 2 x 2 pixels; half a row or column counts as one."""
    return functional.max_pool2d(x, 2, stride=2, ceil_mode=True)
