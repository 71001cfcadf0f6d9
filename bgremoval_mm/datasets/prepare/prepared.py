"""What preparation may replace: the label maps, lists and annotations that it made itself.

A hidden file in the folder of the label maps says that they are ours. Version 0.1 left none there:
its files are known by their content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

from bgremoval_mm.datasets.prepare.check_report import PreparationError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['MARK', 'check_annotations', 'claim']

MARK = '.made-by-bgremoval_mm'
_TEXT = 'tools/prepare_dataset.py made the label maps and lists here, and replaces them.\n'


def claim(folder: Path, subsets: Mapping[str, tuple[Path, Iterable[str]]]) -> None:
    """Check that label maps and their lists may be written, and mark their folder as ours.

    Args:
        folder: Folder of the lists ``<subset>.txt``; it is made if it is missing.
        subsets: Folder of the label maps, and names of the images without suffix, by subset.

    Raises:
        PreparationError: If there is a list or a label map that somebody else wrote.
    """
    mark = folder / MARK
    if mark.is_file():
        return
    for subset, (maps, names) in subsets.items():
        known, listed = set(names), folder / f'{subset}.txt'
        if listed.exists():
            if not _is_list(listed, known, maps):
                raise _foreign(listed)
            continue
        for name in sorted(known):
            if not _may_be_label_map(maps / f'{name}.png'):
                raise _foreign(maps / f'{name}.png')
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(mark, _TEXT.encode())


def check_annotations(path: Path, beginning: bytes) -> None:
    """Check that an annotation file may be written.

    Args:
        path: The file.
        beginning: How every annotation file of ours begins.

    Raises:
        PreparationError: If there is one that somebody else wrote.
    """
    if path.exists():
        with path.open('rb') as file:
            if file.read(len(beginning)) != beginning:
                raise _foreign(path)


def _is_list(path: Path, names: set[str], maps: Path) -> bool:
    """Tell whether each line names an image, or a label map of one that is gone."""
    lines = path.read_bytes().decode(errors='replace').split('\n')[:-1]
    return bool(lines) and all(
        line in names or ('\0' not in line and (maps / f'{line}.png').is_file()) for line in lines
    )


def _may_be_label_map(path: Path) -> bool:
    """Tell whether a file is missing, not a picture (so a half-written one), or a grey PNG."""
    try:
        with Image.open(path) as image:
            return image.format == 'PNG' and image.mode == 'L'
    except OSError:
        return True


def _foreign(path: Path) -> PreparationError:
    return PreparationError(
        f'{printable(path)} is there, but was not made by this tool. Move it away, or choose '
        'another --out'
    )
