"""Pairs of runs: how a run is named that differs from its baseline in one thing."""

from __future__ import annotations

import re

__all__ = ['SUFFIXES', 'baseline_name', 'what_is_changed']

SUFFIXES = {
    # Before the one that they begin with.
    '-rembg-queries': 'background of queries removed',
    '-rembg-mean': 'background removed, filled with the mean colour',
    '-rembg-blur': 'background blurred',
    '-rembg-hard': 'background removed, hard edges',
    '-rembg-sure': 'background removed, trained without flagged masks',
    '-rembg': 'background removed',
    '-bgaug': 'background replaced',
    '-bgval': 'selected on replaced backgrounds',
    '-augflip': 'half upside down',
    '-augcrop': 'cropped at random',
    '-augboth': 'cropped at random, half upside down',
}
"""What a run's name has and its baseline's has not, and what that changes."""

_SUFFIX = re.compile(rf'(?:{"|".join(map(re.escape, SUFFIXES))})(?=[-_.]|$)')


def baseline_name(name: str) -> str | None:
    """Return a config's or work_dir's name without its suffix; None if it has none.

    >>> baseline_name('swin-base_fashionpedia-rembg-512x512')
    'swin-base_fashionpedia-512x512'
    >>> baseline_name('efficientnet-lite0_oc-is_1xb32_luma-items-rembg-queries')
    'efficientnet-lite0_oc-is_1xb32_luma-items'
    """
    baseline, found = _SUFFIX.subn('', name)
    return baseline if found and baseline else None


def what_is_changed(name: str) -> str:
    """Return what a config's or work_dir's name says is changed; '' of a baseline.

    >>> what_is_changed('vgg11_1xb32_clothing10-bgaug')
    'background replaced'
    """
    found = _SUFFIX.search(name)
    return SUFFIXES[found[0]] if found else ''
