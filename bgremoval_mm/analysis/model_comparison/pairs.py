"""The pairs of photo and mask that models are compared on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.pairs.check import check_pairs
from bgremoval_mm.removal.pairs.manifest import Pair, read_manifest
from bgremoval_mm.removal.pairs.pairing import SPLITS
from bgremoval_mm.utils.text import printable

__all__ = ['ComparedPairs', 'PairFiles', 'pairs_of_folders', 'pairs_of_manifest']


@dataclass(frozen=True)
class PairFiles:
    """A photo and its mask.

    Attributes:
        name: Path of the photo below the root, with ``/``.
        mask: The mask.
        cluster: Name of its cluster, or nothing.
        item: Product that it shows, or nothing.
    """

    name: str
    mask: Path
    cluster: str = ''
    item: str = ''


@dataclass(frozen=True)
class ComparedPairs:
    """Pairs, and what was left out.

    Attributes:
        root: Folder of the photos.
        pairs: Those that can be used.
        left_out: Reason by photo or mask, of those that cannot.
    """

    root: Path
    pairs: list[PairFiles]
    left_out: dict[str, str]


def pairs_of_folders(
    photos: str | Path,
    masks: str | Path,
    mask_suffix: str = '',
    workers: int | None = None,
    progress: bool = True,
) -> ComparedPairs:
    """Pair the photos of a folder with the masks of another one, as `bgremoval pairs check` does.

    Args:
        photos: Folder of the photos, at any depth.
        masks: Folder of the masks, with the same names.
        mask_suffix: What names of masks have before their suffix, such as ``'_mask'``.
        workers: Number of processes that read them; None is one a core.
        progress: Show a progress bar, if there is a terminal.

    Raises:
        ArgumentError: If a folder is missing, or no pair can be used.
    """
    photos, masks = Path(photos), Path(masks)
    report = check_pairs(
        photos, masks, photos / 'manifest.csv', None, mask_suffix, None, None, workers, progress
    )
    left_out = {
        each.image or each.mask: f'{each.kind}: {each.reason}' for each in report.rejections
    }
    return _checked(photos, [_files(each, photos, photos) for each in report.pairs], left_out)


def pairs_of_manifest(manifest: str | Path, split: str | None = None) -> ComparedPairs:
    """Return the pairs of a manifest of `bgremoval pairs check`, with clusters and items.

    Args:
        manifest: The CSV file.
        split: ``'train'``, ``'val'`` or ``'test'``; None takes all.

    Raises:
        ArgumentError: If it is not a manifest, or has no pair of the split.
        OSError: If it cannot be read.
    """
    if split is not None and split not in SPLITS:
        msg = f'`split` must be one of {", ".join(SPLITS)}, but got {split!r}'
        raise ArgumentError(msg)
    manifest = Path(manifest)
    pairs = [pair for pair in read_manifest(manifest) if split in (None, pair.split)]
    if not pairs:
        of = '' if split is None else f' of the split {split!r}'
        msg = f'{printable(manifest)} has no pair{of}'
        raise ArgumentError(msg)
    folder = manifest.parent
    folders = [_plain(folder / pair.image).parent for pair in pairs]
    root = Path(os.path.commonpath(folders))
    return _checked(root, [_files(each, folder, root) for each in pairs], {})


def _files(pair: Pair, folder: Path, root: Path) -> PairFiles:
    name = _plain(folder / pair.image).relative_to(_plain(root)).as_posix()
    return PairFiles(name, _plain(folder / pair.mask), pair.cluster, pair.item)


def _checked(root: Path, pairs: list[PairFiles], left_out: dict[str, str]) -> ComparedPairs:
    if not pairs:
        name, reason = next(iter(left_out.items()))
        msg = f'no pair can be used; {len(left_out):,} cannot, such as {printable(name)}: {reason}'
        raise ArgumentError(msg)
    return ComparedPairs(root, pairs, left_out)


def _plain(path: Path) -> Path:
    """Return an absolute path without ``..`` in it; links stay."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (Path.resolve follows links)
