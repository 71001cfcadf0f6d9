"""Checks of the files that pictures and reports replace: only our own, and never a photo.

Pictures carry a mark (see `pictures`). Those of version 0.1 do not; they are known by the report
that lies beside them or, as far as possible, by their looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.addresses import is_same, is_url, lies_in
from bgremoval_mm.utils.json_io import read_json_object
from bgremoval_mm.utils.text import printable

__all__ = ['MARK', 'check_no_mask', 'check_report', 'check_sheet', 'photo_folders']

MARK = b'drawn by bgremoval_mm'
_TEXT_KEY = 'bgremoval_mm'  # of the text in a stored mask's PNG


def check_sheet(
    path: Path,
    photos: Iterable[Path] = (),
    trees: Iterable[Path] = (),
    folders: Iterable[Path] = (),
    named: bool = True,
) -> None:
    """Refuse a file for a sheet that is a photo, or that would be taken for one.

    Args:
        path: The file.
        photos: Photos that are shown.
        trees: Folders whose photos, at any depth, are shown.
        folders: Folders that themselves hold photos.
        named: Whether the user named the file. One that has its name by default replaces nothing
            but an earlier sheet.

    Raises:
        ArgumentError: If the file will not do.
    """
    shown = printable(path)
    for photo in photos:
        if is_same(path, photo):
            msg = f'the sheet would replace the photo {printable(photo)}. Choose another --out'
            raise ArgumentError(msg)
    target = path.resolve()  # the folder of what a link leads to, not of the link
    for tree in (*(each for each in trees if lies_in(target, each)),
                 *(each for each in folders if is_same(target.parent, each))):  # fmt: skip
        msg = (
            f'the sheet {shown} would lie in the photo folder {printable(tree)} and be taken for a '
            'photo. Choose another --out'
        )
        raise ArgumentError(msg)
    check_no_mask(path)
    if not named and path.exists() and not (_is_marked(path) or _is_unmarked_sheet(path)):
        msg = (
            f'{shown} is not a sheet of ours. Name it with --out to replace it, or choose another '
            'name'
        )
        raise ArgumentError(msg)


def check_no_mask(path: Path) -> None:
    """Refuse a file that carries what MaskStore writes into its masks, of whichever model.

    Raises:
        ArgumentError: If it is one.
    """
    try:
        with Image.open(path, formats=('PNG',)) as picture:
            is_mask = _TEXT_KEY in picture.info
    except (OSError, SyntaxError):  # none there, or no PNG
        return
    if is_mask:
        msg = f'{printable(path)} is a mask of a mask store: choose another file for the sheet'
        raise ArgumentError(msg)


def check_report(
    figures: Path, picture: Path, keys: Iterable[str], others: Iterable[Path] = ()
) -> None:
    """Refuse to replace a JSON report, and what lies beside it, that somebody else wrote.

    Args:
        figures: The JSON file.
        picture: The picture.
        keys: Keys that every report of that kind has at its top level.
        others: Further files of the report, which do not say themselves whose they are.

    Raises:
        ArgumentError: If there is such a file.
    """
    is_ours = False
    if figures.exists():
        is_ours = set(keys) <= set(_read_object(figures))
        if not is_ours:
            raise _foreign(figures)
    if picture.exists() and not is_ours and not _is_marked(picture):
        raise _foreign(picture)
    for other in others:
        if other.exists() and not is_ours:
            raise _foreign(other)


def photo_folders(paths: Iterable[str | Path]) -> set[Path]:
    """Return the folders of this machine that hold these photos."""
    return {Path(path).parent for path in paths if not is_url(path)}


def _foreign(path: Path) -> ArgumentError:
    return ArgumentError(
        f'{printable(path)} is there, but was not written by this tool. Move it away, or choose '
        'another --out'
    )


def _read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty where a file holds something else."""
    try:
        return read_json_object(path)
    except (OSError, ValueError):
        return {}


def _is_marked(path: Path) -> bool:
    try:
        with Image.open(path, formats=('PNG', 'JPEG')) as picture:
            mark = picture.info.get('Software') or picture.info.get('comment') or ''
    except (OSError, SyntaxError, ValueError):
        return False
    return mark in (MARK, MARK.decode())


def _is_unmarked_sheet(path: Path) -> bool:
    """Return whether a picture may be a sheet of version 0.1: RGB, plain, with a white rim."""
    try:
        with Image.open(path, formats=('PNG', 'JPEG')) as picture:
            plain = picture.mode == 'RGB' and not picture.info.keys() - _BARE_JPEG
            pixels = np.asarray(picture) if plain else np.zeros((1, 1, 3))
    except (OSError, SyntaxError, ValueError):
        return False
    return all((rim == 255).all() for rim in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))


_BARE_JPEG = frozenset(
    ('jfif', 'jfif_version', 'jfif_unit', 'jfif_density', 'progressive', 'progression')
)
