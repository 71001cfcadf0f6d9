"""Where arrays come from: settings of the C library's malloc."""

from __future__ import annotations

import ctypes
import os

__all__ = ['FOR_NETWORKS', 'keep_freed_memory']

FOR_NETWORKS = 1024  # MiB: activations and gradients of a network on the CPU

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_MIB = 1 << 20
# Up to this size an array is taken from memory that is kept: what older versions of glibc allow.
_LARGEST = 32 * _MIB
_SETTINGS = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES')


def keep_freed_memory(kept: int = 64) -> bool:
    """Let freed arrays serve the next ones, rather than give them back to the system each time.

    glibc returns arrays of photos as soon as they are freed, and the system then fills each page
    of the next ones with zeros, which can take a third of the CPU time of a cut-out
    (benchmarks/host.py). What is computed does not change. This holds for the whole process and
    those that it forks, so programs call it, not modules.

    Args:
        kept: Free memory that a thread may keep, in MiB: 64 are enough for photos of half a
            megapixel, `FOR_NETWORKS` for trainings.

    Returns:
        Whether it was done: not without glibc, nor where the environment has settings of its own
        (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_`` or ``GLIBC_TUNABLES``).
    """
    if any(name in os.environ for name in _SETTINGS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    done = [mallopt(_MMAP_THRESHOLD, _LARGEST), mallopt(_TRIM_THRESHOLD, kept * _MIB)]
    return all(done)
