"""The folder of a review, whose files are replaced by those of the next review.

``bgremoval-review.json`` lists the pictures that a review wrote, or was about to write. Only what
it lists is ever deleted, and nothing that is there is overwritten but a page of ours: a new review
draws its pictures under names that are free, then moves its page into place, then deletes the
pictures of the one before. So an interrupted review leaves the old page with its own pictures, and
can be written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically
from bgremoval_mm.utils.json_io import read_json_object
from bgremoval_mm.utils.text import printable

__all__ = ['MARK', 'PAGE', 'ReviewFolder']

MARK = 'bgremoval-review.json'
PAGE = 'index.html'
_VERSION = 1
_PICTURES = 'pictures'
_SUFFIXES = ('.jpg', '.webp')  # of a photo, and of its result
_PICTURE = re.compile(rf'{_PICTURES}/\d{{6,}}\.(?:jpg|webp)')
# By which keys the cards of a page name their pictures; the first one is of version 0.1.
_KEYS = ('picture', 'photo', 'result')
_LEFTOVER = re.compile(r'\.tmp-.*\.part')  # of a process that was killed while it wrote
# What every page of ours holds, those of version 0.1 too, which had no mark beside it.
_OURS = ('<title>Review of masks</title>', "const key = 'bgremoval_mm ' + data.title;")
_DATA = re.compile(r'^const data = (\{.*\});$', re.MULTILINE)


class ReviewFolder:
    """A folder that is empty, not there yet, or holds a review of ours.

    Args:
        folder: The folder.

    Raises:
        ArgumentError: If it holds something else that a review could be taken for, or spoil.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._old = _pictures_of_ours(folder)

    def begin(self, number: int) -> list[str]:
        """Make the folder, and enter the pictures of a new review into its list.

        Args:
            number: Of how many photos there will be pictures.

        Returns:
            For each, a name below the folder without its suffix. It is free with `.jpg`, for the
            photo, and with `.webp`, for the result.
        """
        (self.folder / _PICTURES).mkdir(parents=True, exist_ok=True)
        stems = list(islice(self._free_stems(), number))
        self._write_mark([*self._old, *(f'{stem}{each}' for stem in stems for each in _SUFFIXES)])
        return stems

    def finish(self, page: str, names: list[str]) -> Path:
        """Write the page of a new review and delete the pictures of the one before.

        Args:
            page: The page.
            names: The pictures that were written, by their names below the folder.

        Returns:
            Path of the page.
        """
        path = self.folder / PAGE
        write_atomically(path, page.encode())
        for name in self._old:
            picture = self.folder / name
            if picture.is_file() or picture.is_symlink():
                picture.unlink()
        self._write_mark(names)
        self._old = names
        for folder in (self.folder, self.folder / _PICTURES):
            sweep_leftovers(folder)
        return path

    def _free_stems(self) -> Iterator[str]:
        taken = {f'{_PICTURES}/{path.stem}' for path in (self.folder / _PICTURES).iterdir()}
        # Of an interrupted review, some were never drawn.
        taken.update(name.rpartition('.')[0] for name in self._old)
        return (stem for index in count() if (stem := f'{_PICTURES}/{index:06}') not in taken)

    def _write_mark(self, names: list[str]) -> None:
        text = json.dumps({'version': _VERSION, 'pictures': names})
        write_atomically(self.folder / MARK, text.encode())


def _pictures_of_ours(folder: Path) -> list[str]:
    """Return the names of the pictures that a review wrote; refuse a folder that is not ours."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise _refusal(folder, 'is a file')
    pictures = folder / _PICTURES
    if pictures.is_symlink() or (pictures.exists() and not pictures.is_dir()):
        raise _refusal(folder, f'has a {_PICTURES} that no review made: it is not a folder')
    mark, page = folder / MARK, folder / PAGE
    if page.exists() and not _is_our_page(page):
        raise _refusal(folder, f'has other files: its {PAGE} is not a review of masks')
    if mark.exists():
        return _read_mark(mark)
    if page.exists():
        return _pictures_of_version_0_1(folder)
    others = [path.name for path in folder.iterdir() if not _LEFTOVER.fullmatch(path.name)]
    if others:
        raise _refusal(folder, f'has other files: {_first(others)}')
    return []


def _read_mark(mark: Path) -> list[str]:
    try:
        content = read_json_object(mark)
        version, pictures = content['version'], content['pictures']
    except (ValueError, KeyError):
        version, pictures = None, None
    if version != _VERSION or not _are_pictures(pictures):
        what = f'has a {MARK} that is damaged, or of another version of this package'
        raise _refusal(mark.parent, what)
    return list(pictures)


def _are_pictures(names: Any) -> bool:
    """Return whether these are names that a review gives, which cannot lead out of its folder."""
    return isinstance(names, list) and all(
        isinstance(name, str) and _PICTURE.fullmatch(name) for name in names
    )


def _is_our_page(page: Path) -> bool:
    if not page.is_file():
        return False
    text = page.read_text(encoding='utf-8', errors='replace')
    return all(each in text for each in _OURS)


def _pictures_of_version_0_1(folder: Path) -> list[str]:
    """Return the pictures that a page without a mark beside it shows."""
    pictures = folder / _PICTURES
    there = [path.name for path in pictures.iterdir()] if pictures.exists() else []
    others = [
        name
        for name in there
        if not _PICTURE.fullmatch(f'{_PICTURES}/{name}') and not _LEFTOVER.fullmatch(name)
    ]
    if others:
        raise _refusal(folder, f'has other files in {_PICTURES}: {_first(others)}')
    found = _DATA.search((folder / PAGE).read_text(encoding='utf-8', errors='replace'))
    try:
        cards = json.loads(found[1])['cards'] if found else []
        shown = [card[key] for card in cards for key in _KEYS if card.get(key)]
    except (ValueError, TypeError, KeyError, AttributeError):
        shown = None
    if not _are_pictures(shown):
        raise _refusal(folder, f'has other files: its {PAGE} is a damaged review')
    return shown or []


def _first(names: list[str]) -> str:
    more = f' and {len(names) - 1} more' if len(names) > 1 else ''
    return printable(min(names)) + more


def _refusal(folder: Path, what: str) -> ArgumentError:
    return ArgumentError(
        f'the review needs a folder of its own, but {printable(folder)} {what}. Choose another '
        'folder, or move what is there'
    )
