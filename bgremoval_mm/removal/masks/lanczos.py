"""Pillow's LANCZOS enlargement of masks, equal to the bit, in a half to a third of its time.

Pillow's weights are whole numbers of 2^-22 and its levels whole numbers, so that float64 holds
every sum of products exactly, whatever their order. So each pass is a product of matrices, cut
into blocks along the diagonal, where the weights are that are not 0. And where a mask does not
change, as in most of the background and of the foreground, nothing needs to be computed.

benchmarks/dataloader.py and benchmarks/host.py show what it brings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache

import cv2
import numpy as np
from PIL import Image

__all__ = ['enlarge']

_SUPPORT = 3  # of LANCZOS, in pixels of the mask
_ONE = 1 << 22  # Pillow's fixed point (PRECISION_BITS in Resample.c)
# Pillow rounds halves up, OpenCV to even. Sums are multiples of 2^-22: this decides each half and
# changes nothing else.
_UP = 2.0**-24
# Outputs of one product: few, so that the blocks hold few zeros, but enough for BLAS.
_STEP = 32
# OpenBLAS, which numpy's wheels have, starts threads above this number of multiplications; in
# the workers of a training they would only disturb each other.
_SERIAL = 4 * 65_536


def enlarge(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Return a mask enlarged as ``Image.resize(size, Image.Resampling.LANCZOS)`` does.

    The weights of a length are only worth computing if they are used again: they are from the
    second time on that a length comes.

    Args:
        mask: uint8 array of shape (h, w).
        size: (width, height) of the result.

    Returns:
        uint8 array of shape (height, width); or None where Pillow is to do it: a length is new
        or not larger, or the installed Pillow computes otherwise than we know.
    """
    height, width = mask.shape
    if not (size[0] > width > 0 and size[1] > height > 0 and mask.dtype == np.uint8):
        return None
    known = [_axis(length, wanted) for length, wanted in zip((width, height), size, strict=True)]
    # Both are to be asked, so no `any`.
    new = [axis.is_new() for axis in known]
    return None if True in new or not _is_pillows() else _product(mask, *known)


@dataclass(frozen=True)
class _Block:
    """Some neighbouring outputs: which inputs they are made of, and their weights."""

    outputs: slice
    inputs: slice
    weights: np.ndarray

    @cached_property
    def steps(self) -> slice:
        """The steps between its inputs: each from one input to the next."""
        return slice(self.inputs.start, self.inputs.stop - 1)


@dataclass
class _Axis:
    """The weights of one length that becomes a larger one."""

    length: int
    wanted: int
    _asked: list[bool] = field(default_factory=list)

    def is_new(self) -> bool:
        """Return whether this is the first time that this is called."""
        if self._asked:
            return False
        self._asked.append(True)
        return True

    @cached_property
    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Each output's first input, and its weights as Pillow computes them, 0 where it has none.

        The steps are those of precompute_coeffs and normalize_coeffs_8bpc in Pillow's Resample.c,
        with libm's sine, whose last bit differs from numpy's.
        """
        centre = (np.arange(self.wanted) + 0.5) * (self.length / self.wanted)
        first = np.maximum((centre - _SUPPORT + 0.5).astype(int), 0)
        end = np.minimum((centre + _SUPPORT + 0.5).astype(int), self.length)
        taps = first[:, None] + np.arange(int((end - first).max()))
        at = taps - centre[:, None] + 0.5
        weights = _sinc(at) * _sinc(at / 3)
        weights[(taps >= end[:, None]) | (at < -_SUPPORT) | (at >= _SUPPORT)] = 0
        total = np.zeros(self.wanted)
        for column in weights.T:  # in Pillow's order
            total += column
        weights /= total[:, None]
        return first, np.trunc(weights * _ONE + np.copysign(0.5, weights)) / _ONE

    @cached_property
    def blocks(self) -> list[_Block]:
        """The weights in blocks of neighbouring outputs."""
        first, weights = self.weights
        taps = weights.shape[1]
        found = []
        for begin in range(0, self.wanted, _STEP):
            rows = range(begin, min(begin + _STEP, self.wanted))
            start, end = int(first[begin]), min(int(first[rows[-1]]) + taps, self.length)
            matrix = np.zeros((len(rows), end - start + taps))
            for index, row in enumerate(rows):
                at = int(first[row]) - start
                matrix[index, at : at + taps] = weights[row]
            matrix = np.ascontiguousarray(matrix[:, : end - start])
            found.append(_Block(slice(begin, rows[-1] + 1), slice(start, end), matrix))
        return found


@lru_cache(maxsize=64)
def _axis(length: int, wanted: int) -> _Axis:
    return _Axis(length, wanted)


@cache
def _is_pillows() -> bool:
    """Return whether the installed Pillow computes as we do; forks of it round otherwise."""
    mask = np.random.default_rng(0).integers(0, 256, (23, 31), np.uint8)
    size = (75, 40)
    known = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.LANCZOS))
    return np.array_equal(_product(mask, _Axis(31, size[0]), _Axis(23, size[1])), known)


def _product(mask: np.ndarray, across: _Axis, down: _Axis) -> np.ndarray:
    # The width first, as Pillow does where an image becomes larger.
    wide = cv2.transpose(_lengthened(cv2.transpose(mask), across))
    return _lengthened(wide, down)


def _lengthened(levels: np.ndarray, axis: _Axis) -> np.ndarray:
    """Return levels with their columns brought from an axis's length to the one that is wanted."""
    # Right where a column does not change: weights sum to 1, but for less than rounding removes.
    result = levels.take(axis.weights[0], axis=0)
    changes = (levels[1:] != levels[:-1]).view(np.uint8)
    for block in axis.blocks:
        left, _, width, _ = cv2.boundingRect(changes[block.steps])
        for part in _parts(left, width, block.weights.size):
            # A few at a time, which stay in the processor's cache.
            exact = levels[block.inputs, part].astype(np.float64)
            result[block.outputs, part] = _rounded(block.weights @ exact)
    return result


def _rounded(levels: np.ndarray) -> np.ndarray:
    """Return levels as Pillow rounds and cuts them off."""
    # One value for each of OpenCV's four channels: it takes a scalar for an array where the levels
    # are four rows of one column.
    return cv2.add(levels, (_UP,) * 4, dtype=cv2.CV_8U)  # type: ignore[call-overload, no-any-return]


def _parts(begin: int, length: int, factor: int) -> Sequence[slice]:
    """Cut a range into parts that BLAS multiplies in one thread."""
    if length * factor <= _SERIAL:
        return (slice(begin, begin + length),) if length else ()
    step, end = max(_SERIAL // factor, 8), begin + length
    return [slice(each, min(each + step, end)) for each in range(begin, end, step)]


def _sinc(values: np.ndarray) -> np.ndarray:
    turned = values * math.pi
    sines = np.fromiter(map(math.sin, turned.ravel().tolist()), float, turned.size)
    with np.errstate(invalid='ignore'):
        return np.where(values == 0, 1.0, sines.reshape(turned.shape) / turned)
