"""Arithmetic on masks and on the backgrounds behind them: pure functions of arrays."""

from bgremoval_mm.removal.masks.functional import (
    RESIZE_METHODS,
    binarise,
    bounding_box,
    check_fill,
    compose,
    cut_out,
    multiply_alpha,
    resize,
    stretch,
)
from bgremoval_mm.removal.masks.quality import MaskQuality, flags_of, quality

__all__ = [
    'RESIZE_METHODS',
    'MaskQuality',
    'binarise',
    'bounding_box',
    'check_fill',
    'compose',
    'cut_out',
    'flags_of',
    'multiply_alpha',
    'quality',
    'resize',
    'stretch',
]
