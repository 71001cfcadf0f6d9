"""The contact sheet of masks: original, mask and removed picture of the least trustworthy ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.removal import ImageError, MaskStore, compose
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.removal.io.addresses import lies_in
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.io.targets import check_no_mask
from bgremoval_mm.removal.masks.functional import resize
from bgremoval_mm.removal.outputs.mask_store import StoredMaskError, mask_problem
from bgremoval_mm.removal.review.ranking import COLUMNS, EARLIER_COLUMNS, Ranking, quality_of
from bgremoval_mm.utils.text import printable
from bgremoval_mm.visualization.canvas import save_png
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

__all__ = ['check_table', 'check_target', 'draw_mask_sheet', 'make_tile', 'write_mask_sheet']

_SIDE = 400  # pixels; a picture on the sheet is about half as large


def write_mask_sheet(
    path: Path, ranking: Ranking, store: MaskStore, images: Path, number: int = 50
) -> None:
    """Draw the sheet into a PNG file.

    Args:
        path: The file.
        ranking: The masks of the store.
        store: Where the masks are. Those of another precision are shown as out of date.
        images: The folder of images that the store mirrors.
        number: How many masks are shown.

    Raises:
        ValueError: There is nothing to show, `path` will not do (see :func:`check_target`), or
            `images` holds none of the images.
    """
    check_target(path, store, images, ranking)
    save_png(draw_mask_sheet(ranking, store, images, number), path)


def check_target(path: Path, store: MaskStore, images: Path, ranking: Ranking) -> None:
    """Refuse a file for the sheet that would be taken for an image or for a mask.

    Raises:
        ArgumentError: `path` is no PNG file, lies in the image folder, or is the mask of an image.
    """
    target, shown = path.resolve(), printable(path)
    if path.suffix.lower() != '.png':
        msg = f'the sheet is a PNG file, so its name must end in .png, but got {shown}'
        raise ArgumentError(msg)
    if target.is_relative_to(store.folder.resolve()):
        name = target.relative_to(store.folder.resolve()).as_posix().removesuffix('.png')
        if any(record.path == name for record in (*ranking.masks, *ranking.failed)):
            msg = (
                f'{shown} is the mask of the image {printable(name)}: choose another file for '
                'the sheet'
            )
            raise ArgumentError(msg)
    elif target.is_relative_to(images.resolve()):
        msg = (
            f'the sheet would lie in the image folder {printable(images)} and be taken for an '
            f'image by the next run, and by training: choose another file than {shown}'
        )
        raise ArgumentError(msg)
    check_no_mask(path)


def check_table(path: Path, store: MaskStore, images: Path) -> None:
    """Refuse a file for the ranking that is a photo, a mask, or the manifest.

    Raises:
        ArgumentError: `path` is a file of the image folder or of the store, but no ranking.
    """
    inside = any(lies_in(path.resolve(), folder) for folder in (images, store.folder))
    if inside and path.exists():
        with path.open('rb') as file:
            heads = [f'{",".join(each)}\n'.encode() for each in (COLUMNS, EARLIER_COLUMNS)]
            if file.readline() not in heads:
                msg = (
                    f'{printable(path)} belongs to the images or their masks: choose another file '
                    'for the list'
                )
                raise ArgumentError(msg)


def draw_mask_sheet(
    ranking: Ranking, store: MaskStore, images: Path, number: int = 50
) -> Image.Image:
    """Draw original, mask and removed picture of the least trustworthy masks.

    Args:
        ranking: The masks of the store.
        store: Where the masks are.
        images: The folder of images that the store mirrors.
        number: How many masks are shown.

    Returns:
        RGB picture.

    Raises:
        ValueError: There is no mask, `number` is less than 1, or `images` holds none of the images.
    """
    if number < 1:
        msg = f'`number` must be at least 1, but got {number}'
        raise ArgumentError(msg)
    if not ranking.masks:
        msg = f'{printable(store.folder)} has no mask to show: {ranking.heading()}'
        raise ArgumentError(msg)
    if not any((images / record.path).is_file() for record in ranking.masks):
        msg = (
            f'none of the {len(ranking.masks)} images of {printable(store.manifest.address)} '
            f'is in {printable(images)} (for example {printable(ranking.masks[0].path)}): it must '
            'be the folder that was SRC of tools/remove_background.py'
        )
        raise ArgumentError(msg)
    shown = ranking.masks[:number]
    return draw_tiles(
        [make_tile(record, store, images) for record in shown],
        ('original', 'mask', 'removed'),
        (
            f'{store.spec.name}: {ranking.heading()}',
            f'the {len(shown)} least trustworthy; {ranking.confidence_line()}',
        ),
    )


def make_tile(record: Record, store: MaskStore, images: Path) -> Tile:
    """Return original, mask and removed picture of an image, or words where one cannot be shown.

    Args:
        record: The image's record.
        store: Where the masks are.
        images: The folder of images that the store mirrors.
    """
    path = images / record.path
    original: np.ndarray | str
    mask: np.ndarray | str
    removed: np.ndarray | str = 'cannot be shown'
    stored, warning = None, ''
    try:
        original = thumbnail(path, _SIDE, record.max_pixels, record.max_bytes)
    except FileNotFoundError:
        original, warning = 'image is gone', 'the image is not there any more'
    except (ImageError, OSError) as err:
        original, warning = 'image cannot be read', str(err)
    try:
        stored = store.get(record.path)
    except StoredMaskError:
        mask, warning = 'mask is damaged', 'delete the mask and make it again'
    else:
        if stored is None:
            mask, warning = 'mask is gone', 'the mask is not there any more: make it again'
        else:
            mask = stored.mask
    if stored is not None and not isinstance(original, str):
        mask = resize(stored.mask, (original.shape[1], original.shape[0]))
        problem = mask_problem(store, stored, path)
        if problem is None:
            removed = compose(original, mask)
        else:
            removed, warning = 'out of date', problem
    quality = quality_of(record)
    caption = [record.path]
    if record.quality is not None:
        caption.append(f'foreground {quality.foreground:.1%}, confidence {quality.confidence:.3f}')
        if quality.flags:
            warning = warning or f'mask is {", ".join(quality.flags)}'
    return Tile((original, mask, removed), caption, warning)
