"""Arithmetic on masks and on the backgrounds behind them: pure functions of arrays."""

from bgremoval_mm.removal.masks.functional import (
    RESIZE_METHODS,
    UNCERTAIN_BELOW,
    MaskQuality,
    binarise,
    bounding_box,
    check_fill,
    compose,
    cut_out,
    multiply_alpha,
    quality,
    resize,
    stretch,
)

__all__ = [
    'RESIZE_METHODS',
    'UNCERTAIN_BELOW',
    'MaskQuality',
    'binarise',
    'bounding_box',
    'check_fill',
    'compose',
    'cut_out',
    'multiply_alpha',
    'quality',
    'resize',
    'stretch',
]
