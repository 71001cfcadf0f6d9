"""Choosing some of many items."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

__all__ = ['evenly_spaced', 'hash_order']

_T = TypeVar('_T')


def evenly_spaced(items: Sequence[_T], number: int) -> list[_T]:
    """Return items at equal distances, the first and the last among them.

    Args:
        items: What to choose from; a ``range`` gives indices.
        number: How many, 0 or more; all where there are fewer. A single one is the first.

    Examples:
        >>> evenly_spaced(range(10), 4)
        [0, 3, 6, 9]
    """
    positions = np.linspace(0, len(items) - 1, min(number, len(items))).round()
    return [items[int(position)] for position in positions]


def hash_order(name: str, seed: int) -> str:
    """Return the key by which names are sorted before they are dealt out, the same everywhere."""
    text = f'{seed}:{name}'
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()
