"""Batches padded to a few sizes, for runtimes that prepare for each shape.

cuDNN searches an algorithm, TensorRT builds an engine, CUDA graphs are captured for each shape of
the input: seconds to minutes, which the last, smaller batch of every job would cost.
"""

from __future__ import annotations

import numpy as np

__all__ = ['bucket_of', 'pad']


def bucket_of(count: int) -> int:
    """Return the smallest power of two that is not below the count."""
    return 1 << max(0, count - 1).bit_length()


def pad(batch: np.ndarray) -> np.ndarray:
    """Fill a batch up to its bucket with copies of its last image.

    Args:
        batch: Array of shape (N, ...), N at least 1.

    Returns:
        Array of shape (bucket_of(N), ...); results beyond N are to be dropped.
    """
    missing = bucket_of(len(batch)) - len(batch)
    return np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
