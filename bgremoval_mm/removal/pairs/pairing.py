"""Which mask belongs to which photo: by name, through nested folders, or by a list."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.addresses import lies_in
from bgremoval_mm.removal.io.csv_files import open_csv
from bgremoval_mm.removal.io.scan import scan_tree
from bgremoval_mm.utils.messages import first_few
from bgremoval_mm.utils.text import printable

__all__ = ['SPLITS', 'Candidate', 'Rejection', 'pair_by_list', 'pair_by_name', 'read_list']

SPLITS = ('train', 'val', 'test')
_COLUMNS = ('image', 'mask', 'item', 'cluster', 'split')


@dataclass(frozen=True)
class Candidate:
    """A photo and what is said to be its mask. Paths are relative to the folders, with ``/``.

    Attributes:
        image: The photo.
        mask: The mask.
        item: Product that the photo shows, or nothing.
        cluster: Given cluster, or nothing.
        split: Given split, or nothing.
    """

    image: str
    mask: str
    item: str = ''
    cluster: str = ''
    split: str = ''


@dataclass(frozen=True)
class Rejection:
    """A photo, a mask or both that cannot be used.

    Attributes:
        image: The photo, or nothing.
        mask: The mask, or nothing.
        kind: Short name of the reason, by which rejections are counted.
        reason: What is wrong.
    """

    image: str
    mask: str
    kind: str
    reason: str


def pair_by_name(
    images: Path, masks: Path, mask_suffix: str = ''
) -> tuple[list[Candidate], list[Rejection]]:
    """Pair the photos of a folder with the masks of another one.

    A mask lies in the same subfolder as its photo and has the same name with any suffix, or with a
    suffix appended, as in a mask store: ``a/1.jpg`` has ``a/1.png`` or ``a/1.jpg.png``. In whatever
    Unicode normalisation names are written, they are compared in NFC. Where both lie in one folder,
    `mask_suffix` tells which are masks; a folder of masks may lie in that of the photos, too.

    Args:
        images: Folder of the photos.
        masks: Folder of the masks.
        mask_suffix: What names of masks have before their suffix, such as ``'_mask'``.

    Returns:
        The pairs in the order of the photos' names, and what has no partner, or more than one.

    Raises:
        ArgumentError: If a folder is missing or holds no image.
    """
    photos, rejected = _list(images, 'IMAGES')
    found, unreadable = _list(masks, 'MASKS')
    rejected += [Rejection('', each.image, each.kind, each.reason) for each in unreadable]
    if mask_suffix or (lies_in(masks, images) and not lies_in(images, masks)):
        photos, found = _told_apart(photos, found, images, masks, mask_suffix)
    by_key: dict[str, list[str]] = defaultdict(list)
    ending = normalize('NFC', mask_suffix)
    for mask in found:
        if _key(mask).endswith(ending):
            by_key[_key(mask).removesuffix(ending)].append(mask)
    photos_of: dict[str, list[str]] = defaultdict(list)
    for photo in photos:
        photos_of[_key(photo)].append(photo)
    pairs, used = [], set()
    for photo in photos:
        whole = by_key.get(normalize('NFC', photo), [])
        same = photos_of[_key(photo)]
        named = by_key.get(_key(photo), []) if len(same) == 1 or not whole else []
        partners = [*whole, *named]
        used.update(partners)
        if not partners:
            rejected.append(Rejection(photo, '', 'no mask', 'there is no mask of that name'))
        elif len(partners) > 1 or (named and len(same) > 1):
            several = partners if len(partners) > 1 else same
            reason = f'the partner is not clear: {first_few([printable(each) for each in several])}'
            rejected.append(Rejection(photo, partners[0], 'ambiguous', reason))
        else:
            pairs.append(Candidate(photo, partners[0]))
    rejected += [
        Rejection('', mask, 'no photo', 'there is no photo of that name')
        for mask in found
        if mask not in used
    ]
    return pairs, rejected


def read_list(path: Path) -> list[dict[str, str]]:
    """Read a CSV file with the column ``image`` and any of ``mask, item, cluster, split``.

    Raises:
        ArgumentError: If it has other columns, no row, an image twice, another split than train,
            val and test, or an item in two of them; names the line.
    """
    with open_csv(path) as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        unknown = [name for name in columns if name not in _COLUMNS]
        if 'image' not in columns or unknown:
            msg = (
                f'{printable(path)} must have the column image, and may have '
                f'{", ".join(_COLUMNS[1:])}, but has {first_few(columns) or "none"}'
            )
            raise ArgumentError(msg)
        rows = [(reader.line_num, row) for row in reader]
    seen: set[str] = set()
    split_of: dict[str, str] = {}
    for line, row in rows:
        where = f'{printable(path)}, line {line}'
        if None in row or None in row.values() or not row['image']:
            msg = f'{where} must have {len(columns)} fields, the image not empty'
            raise ArgumentError(msg)
        if row['image'] in seen:
            msg = f'{where} lists {printable(row["image"])} again'
            raise ArgumentError(msg)
        seen.add(row['image'])
        if row.get('split', '') not in ('', *SPLITS):
            msg = f'{where}: split must be {", ".join(SPLITS)} or empty, but is {row["split"]!r}'
            raise ArgumentError(msg)
        item, split = row.get('item', ''), row.get('split', '')
        if item and split and split_of.setdefault(item, split) != split:
            msg = (
                f'{where}: the photos of an item must be in one split, but {printable(item)} is in '
                f'{split_of[item]} already, and in {split} here'
            )
            raise ArgumentError(msg)
    if not rows:
        msg = f'{printable(path)} must list images, but has no row'
        raise ArgumentError(msg)
    given = [bool(row.get('split')) for _, row in rows]
    if any(given) and not all(given):
        msg = f'{printable(path)} must give the split of every image or of none'
        raise ArgumentError(msg)
    return [row for _, row in rows]


def pair_by_list(
    rows: Sequence[dict[str, str]], images: Path, masks: Path, mask_suffix: str = ''
) -> tuple[list[Candidate], list[Rejection]]:
    """Pair the photos of a list, by its column ``mask`` or else by name.

    Args:
        rows: Of `read_list`.
        images: Folder that the photos' paths are relative to.
        masks: Folder that the masks' paths are relative to.
        mask_suffix: See `pair_by_name`.

    Returns:
        The pairs in the order of the list, and what has no partner. Photos that are not listed are
        left out.
    """
    by_name: dict[str, Candidate] = {}
    refused: dict[str, Rejection] = {}
    if not all(row.get('mask') for row in rows):
        found, rejected = pair_by_name(images, masks, mask_suffix)
        by_name = {each.image: each for each in found}
        refused = {each.image: each for each in rejected if each.image}
    pairs: list[Candidate] = []
    rejections: list[Rejection] = []
    for row in rows:
        image, mask = row['image'], row.get('mask', '')
        lost = next(
            (each for each in _existing(images, image, masks, mask) if each is not None), None
        )
        if lost is not None:
            rejections.append(Rejection(image, mask, *lost))
        elif not mask and image not in by_name:
            missing = Rejection(image, '', 'no mask', 'there is no mask of that name')
            rejections.append(refused.get(image, missing))
        else:
            partner = mask or by_name[image].mask
            others = {name: row.get(name, '') for name in ('item', 'cluster', 'split')}
            pairs.append(Candidate(image, partner, **others))
    return pairs, rejections


def _existing(images: Path, image: str, masks: Path, mask: str) -> Iterable[tuple[str, str] | None]:
    yield None if (images / image).is_file() else ('no photo', 'the photo is not there')
    yield None if not mask or (masks / mask).is_file() else ('no mask', 'the mask is not there')


def _list(folder: Path, name: str) -> tuple[list[str], list[Rejection]]:
    if not folder.is_dir():
        msg = f'{name} must be a folder, but {printable(folder)} is none'
        raise ArgumentError(msg)
    scan = scan_tree(folder)
    if not scan.images:
        msg = f'{name} must be a folder with images, but {printable(folder)} holds none'
        raise ArgumentError(msg)
    return scan.images, [
        Rejection(path, '', 'unreadable', reason) for path, reason in scan.unreadable.items()
    ]


def _told_apart(
    photos: Sequence[str], found: Sequence[str], images: Path, masks: Path, mask_suffix: str
) -> tuple[list[str], list[str]]:
    """Return the photos without the masks, and the masks without the photos."""
    files_of_masks = {
        os.path.abspath(masks / each)  # noqa: PTH100 (Path.resolve follows links)
        for each in found
        if _key(each).endswith(normalize('NFC', mask_suffix))
    }
    by_file = {os.path.abspath(images / each): each for each in photos}  # noqa: PTH100
    by_file = {file: each for file, each in by_file.items() if file not in files_of_masks}
    others = [each for each in found if os.path.abspath(masks / each) not in by_file]  # noqa: PTH100
    return list(by_file.values()), others


def _key(path: str) -> str:
    return normalize('NFC', str(PurePosixPath(path).with_suffix('')))
