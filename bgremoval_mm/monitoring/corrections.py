"""The pairs that people's corrections make, and their place beside a training set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from bgremoval_mm.pipeline.corrections import Correction, corrections
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.pairs import hard_mask
from bgremoval_mm.removal.pairs.check import check_pairs
from bgremoval_mm.removal.pairs.manifest import GIVEN, Pair, relative_to_manifest
from bgremoval_mm.utils.atomic import write_atomically

__all__ = ['Correction', 'Joined', 'corrections', 'is_held_back', 'join', 'lay_out', 'link']

HELD_BACK = 'val'


@dataclass(frozen=True)
class Joined:
    """A training set with corrections.

    Attributes:
        pairs: All pairs; those of the split ``val`` are held back.
        corrected: How many of them are corrections that are trained on.
        held_back: How many of them are corrections that are held back.
        left_out: Reasons by photo, of corrections that cannot be used.
    """

    pairs: list[Pair]
    corrected: int
    held_back: int
    left_out: dict[str, str]


def is_held_back(sha256: str, share: float) -> bool:
    """Return whether a photo is held back: for good, as its hash says."""
    return int(sha256[:8], 16) < share * 2**32


def lay_out(root: Path, found: Iterable[Correction], folder: Path) -> dict[str, str]:
    """Put photos and hard masks of corrections into a folder as pairs, ``photos`` and ``masks``.

    Returns:
        Reasons by name, of photos that are left out as a file of theirs is missing or damaged.
    """
    files, missing = PipelineFiles(root), {}
    (folder / 'masks').mkdir(parents=True, exist_ok=True)
    for each in found:
        suffix = PurePosixPath(each.name).suffix.lower() or '.jpg'
        photo = folder / 'photos' / f'{each.sha256}{suffix}'
        try:
            mask = hard_mask(files, each.sha256)
        except OSError as err:
            missing[each.name] = err.strerror or str(err)
            continue
        try:
            link(root / 'photos' / each.sha256[:2] / each.sha256, photo)
        except FileNotFoundError as err:
            missing[each.name] = err.strerror or str(err)
            continue
        write_atomically(folder / 'masks' / f'{each.sha256}.png', mask)
    return missing


def join(
    base: Sequence[Pair],
    base_folder: Path,
    found: Sequence[Correction],
    folder: Path,
    manifest: Path,
    share: float,
    workers: int | None = None,
) -> Joined:
    """Add corrections to a training set.

    A correction stays out of the training if its photo's hash says so (`is_held_back`), if the
    training set has the photo in ``val`` or ``test``, or if another version of the photo is held
    back. A photo that the training set has already is there once, with the corrected mask.

    Args:
        base: Pairs of the training set.
        base_folder: What their paths are relative to.
        found: The corrections.
        folder: Where `lay_out` has put them.
        manifest: What the paths of the result are relative to.
        share: Of new photos that is held back.
        workers: Number of processes that read them; None is one a core.
    """
    report = check_pairs(folder / 'photos', folder / 'masks', manifest, workers=workers)
    known = {each.sha256: each for each in found}
    splits = {pair.image_sha256: pair.split for pair in base}
    left_out = {each.image: f'{each.kind}: {each.reason}' for each in report.rejections}
    made: list[Pair] = []
    for pair in report.pairs:
        split = splits.get(pair.image_sha256)
        if split is None:
            split = HELD_BACK if is_held_back(pair.image_sha256, share) else 'train'
        correction = known[pair.image_sha256]
        made.append(replace(pair, cluster=correction.cluster, split=split, split_by=GIVEN))
    names = {known[pair.image_sha256].name for pair in made if pair.split != 'train'}
    kept = []
    for pair in made:
        if pair.split == 'train' and known[pair.image_sha256].name in names:
            left_out[pair.image] = 'another version of the photo is held back'
        else:
            kept.append(pair)
    replaced = {pair.image_sha256 for pair in made}
    others = [
        replace(
            pair,
            image=relative_to_manifest(base_folder / pair.image, manifest),
            mask=relative_to_manifest(base_folder / pair.mask, manifest),
        )
        for pair in base
        if pair.image_sha256 not in replaced
    ]
    return Joined(
        [*others, *kept],
        sum(pair.split == 'train' for pair in kept),
        sum(pair.split == HELD_BACK for pair in kept),
        left_out,
    )


def link(source: Path, target: Path) -> None:
    """Give a file another name; copy it where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
