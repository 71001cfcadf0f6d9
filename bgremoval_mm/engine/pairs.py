"""Pairs of runs: how a run and its baseline are named."""

from __future__ import annotations

import re

__all__ = ['original_name']

_REMBG = re.compile(r'-rembg(?=[-_.]|$)')


def original_name(name: str) -> str | None:
    """A config's or work_dir's name without its ``-rembg``; None if it has none.

    >>> original_name('swin-base_fashionpedia-rembg-512x512')
    'swin-base_fashionpedia-512x512'
    """
    original, found = _REMBG.subn('', name)
    return original if found and original else None
