"""Dealing pairs out to training and validation, the same way everywhere and every time."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.pairs.manifest import DEALT, Pair

__all__ = ['VAL_SHARE', 'deal_out']

VAL_SHARE = 0.2  # as in the published use of U2-Net for a catalogue, 25,600 and 6,400 photos


def deal_out(pairs: Sequence[Pair], share: float = VAL_SHARE, seed: int = 0) -> list[Pair]:
    """Return the pairs with their splits: `share` of each cluster validates, the rest trains.

    The photos of an item stay together; an item whose photos are in several clusters counts to the
    one of most of them. Items are taken in the order of a hash of the seed and their name (without
    one, the photo's content), and each that fits into what is left of the share is taken; then one
    that does not, if that comes nearer to the share. What is missing in a cluster, or too much, is
    made up for in the next one. So the split depends neither on the order of the pairs nor on the
    names of folders.

    Args:
        pairs: All pairs.
        share: Of the photos of each cluster, in (0, 1).
        seed: Another number gives another split.

    Raises:
        ArgumentError: If the share is not allowed.
    """
    if not 0 < share < 1:
        msg = f'`share` must be between 0 and 1, but got {share!r}'
        raise ArgumentError(msg)
    units: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        units[f'item {pair.item}' if pair.item else pair.image_sha256].append(pair)
    by_cluster: dict[str, list[str]] = defaultdict(list)
    for name, members in units.items():
        counts = Counter(pair.cluster for pair in members)
        by_cluster[min(counts, key=lambda each: (-counts[each], each))].append(name)
    validating: set[str] = set()
    left, due = 0, 0.0
    for _, names in sorted(by_cluster.items()):
        size = sum(len(units[name]) for name in names)
        wanted = round(share * size)
        # Of many small clusters, the roundings add up to whole photos.
        due += share * size - wanted
        left += wanted + int(due)
        due -= int(due)
        names.sort(key=lambda each: _order(each, seed))
        for name in names:
            if len(units[name]) <= left:
                left -= len(units[name])
                validating.add(name)
        others = (name for name in names if name not in validating)
        nearer = next((name for name in others if len(units[name]) < 2 * left), None)
        if nearer is not None:
            left -= len(units[nearer])
            validating.add(nearer)
    splits = {
        pair.image: 'val' if name in validating else 'train'
        for name, members in units.items()
        for pair in members
    }
    return [replace(pair, split=splits[pair.image], split_by=DEALT) for pair in pairs]


def _order(name: str, seed: int) -> str:
    text = f'{seed}:{name}'
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()
