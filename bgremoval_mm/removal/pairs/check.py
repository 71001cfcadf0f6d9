"""Checking a set of pairs: every pair is read, and what can be used goes into a manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.pairs.inspection import Inspection, inspect_pair
from bgremoval_mm.removal.pairs.manifest import (
    GIVEN,
    Pair,
    relative_to_manifest,
)
from bgremoval_mm.removal.pairs.pairing import (
    Candidate,
    Rejection,
    pair_by_list,
    pair_by_name,
    read_list,
)
from bgremoval_mm.removal.pairs.split import VAL_SHARE, deal_out
from bgremoval_mm.utils.parallel import for_each
from bgremoval_mm.utils.text import printable

__all__ = ['PairReport', 'check_pairs', 'oddness']


@dataclass(frozen=True)
class PairReport:
    """What `check_pairs` has found.

    Attributes:
        pairs: Those that can be used, in the order of the photos' names or of the list.
        rejections: Everything else.
        odd: Indices of the pairs, the oddest first, and why each is odd.
    """

    pairs: list[Pair]
    rejections: list[Rejection]
    odd: list[tuple[int, str]]

    def counts(self) -> dict[str, int]:
        """Return the number of rejections by their kind, the most frequent first."""
        return dict(Counter(each.kind for each in self.rejections).most_common())


def check_pairs(
    images: str | Path,
    masks: str | Path,
    manifest: str | Path,
    listed: str | Path | None = None,
    mask_suffix: str = '',
    val_share: float | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> PairReport:
    """Pair photos with masks, read them all, and say what can be trained on.

    Rejected are: a photo or a mask without a partner, files that cannot be read, masks of another
    size or orientation than the upright photo, masks that are empty, full or not binary (see
    `inspection.BINARY_RULE`), and a photo that is there already, pixel by pixel, in whatever split.

    Args:
        images: Folder of the photos, at any depth.
        masks: Folder of the masks.
        manifest: The file that the paths of the pairs will be relative to. It is not written.
        listed: CSV file of the photos to take; see `pairing.read_list`. None: all, by name.
        mask_suffix: See `pairing.pair_by_name`.
        val_share: Share of validation; None is 0.2. Not to be given if the list has splits.
        seed: Of the split; None is 0. In the same way.
        workers: Number of processes; None is one a core.
        progress: Show a progress bar, if there is a terminal.

    Raises:
        ArgumentError: If an argument or the list is wrong.
    """
    images, masks, manifest = Path(images), Path(masks), Path(manifest)
    if listed is None:
        candidates, rejections = pair_by_name(images, masks, mask_suffix)
    else:
        rows = read_list(Path(listed))
        if rows[0].get('split') and (val_share is not None or seed is not None):
            msg = (
                f'{printable(listed)} gives the splits, so `val_share` and `seed` must be left out'
            )
            raise ArgumentError(msg)
        if mask_suffix and all(row.get('mask') for row in rows):
            msg = f'{printable(listed)} names every mask, so `mask_suffix` must be left out'
            raise ArgumentError(msg)
        candidates, rejections = pair_by_list(rows, images, masks, mask_suffix)
    jobs = [(each.image, (images / each.image, masks / each.mask)) for each in candidates]
    inspected, failures = for_each(inspect_pair, jobs, 'pairs', workers, progress)
    kept: list[Candidate] = []
    first: dict[str, Candidate] = {}
    for each in candidates:
        if each.image in failures:
            kind, _, reason = failures[each.image].partition(': ')
            rejections.append(Rejection(each.image, each.mask, kind, reason))
            continue
        same = first.setdefault(inspected[each.image].pixels, each)
        if same is each:
            kept.append(each)
        else:
            reason = _duplicate(each, same)
            rejections.append(Rejection(each.image, each.mask, 'duplicate photo', reason))
    pairs = [_row(each, inspected[each.image], images, masks, manifest) for each in kept]
    if not any(each.split for each in kept):
        pairs = deal_out(pairs, VAL_SHARE if val_share is None else val_share, seed or 0)
    rejections.sort(key=lambda each: (each.image or each.mask, each.mask))
    return PairReport(pairs, rejections, oddness([inspected[each.image].figures for each in kept]))


def oddness(figures: Sequence[Mapping[str, float]]) -> list[tuple[int, str]]:
    """Order pairs by how far their figures lie from the middle.

    The distance of a figure is counted in interquartile ranges from the median, over all pairs; a
    pair is as odd as its oddest figure.

    Args:
        figures: Of each pair, all with the same names.

    Returns:
        Index and oddest figure of each pair, the oddest first.
    """
    if not figures:
        return []
    names = list(figures[0])
    values = np.array([[each[name] for name in names] for each in figures])
    low, middle, high = np.percentile(values, [25, 50, 75], axis=0)
    # Where most pairs have one value, the standard deviation stands in.
    spread = np.where(high > low, high - low, values.std(axis=0))
    distances = np.abs(values - middle) / np.where(spread > 0, spread, 1)
    worst = distances.argmax(axis=1)
    order = np.argsort(-distances.max(axis=1), kind='stable')
    return [(int(i), f'{names[worst[i]]} {values[i, worst[i]]:.4g}') for i in order]


def _row(each: Candidate, found: Inspection, images: Path, masks: Path, manifest: Path) -> Pair:
    return Pair(
        image=relative_to_manifest(images / each.image, manifest),
        mask=relative_to_manifest(masks / each.mask, manifest),
        width=found.size[0],
        height=found.size[1],
        image_sha256=found.image_sha256,
        mask_sha256=found.mask_sha256,
        foreground=found.foreground,
        cluster=each.cluster,
        split=each.split,
        split_by=GIVEN,
        item=each.item,
    )


def _duplicate(each: Candidate, same: Candidate) -> str:
    where = f' in {same.split}' if same.split and same.split != each.split else ''
    return f'it shows pixel by pixel what {printable(same.image)}{where} shows'
