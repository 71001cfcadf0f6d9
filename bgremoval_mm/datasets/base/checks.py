"""Checks of arguments and files that the datasets share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['check_classes', 'check_files', 'missing_files', 'one_of']


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return the value of an argument, if it is allowed.

    Raises:
        ArgumentError: If it is not; lists the allowed values.
    """
    if value not in allowed:
        msg = f'`{name}` must be one of {", ".join(map(repr, allowed))}, but got {value!r}'
        raise ArgumentError(msg)
    return value


def check_classes(
    dataset: str, metainfo: Mapping[str, Any] | None, classes: Sequence[str], instead: str
) -> None:
    """Check that meta information names no other classes than the dataset has.

    Args:
        dataset: Name of the dataset's class, for the error.
        metainfo: What the user gave.
        classes: Classes of the dataset.
        instead: Classes of OpenMMLab that take any classes, for the error.

    Raises:
        ArgumentError: If it does.
    """
    known = tuple(classes)
    given = known if metainfo is None else tuple(metainfo.get('classes', known))
    if given != known:
        shown = known if len(known) <= 14 else f'its {len(known)} classes in their order'
        msg = (
            f"`metainfo['classes']` of {dataset} must be left out or be {shown}, but got {given}. "
            f'For other classes use a dataset of your own, such as {instead}.'
        )
        raise ArgumentError(msg)


def check_files(paths: Iterable[str | Path], what: str, how: str) -> None:
    """Check that files are there, so that no sample is skipped in silence.

    Args:
        paths: The files.
        what: What they are, for the error, e.g. ``'images of Fashionpedia'``.
        how: How to get them, for the error.

    Raises:
        FileNotFoundError: If files are missing.
    """
    missing = missing_files(paths)
    if missing:
        msg = f'{len(missing):,} {what} are missing: {first_few(missing)}. {how}'
        raise FileNotFoundError(msg)


def missing_files(paths: Iterable[str | Path]) -> list[str]:
    """Return the paths at which there is no file, in their order.

    Each folder is listed once, which is much faster than asking for each file. Links are followed:
    one that leads nowhere is not a file.
    """
    folders: dict[str, set[str]] = {}
    missing = []
    for path in map(str, paths):
        folder, name = os.path.split(path)
        if folder not in folders:
            there = os.scandir(folder or '.') if Path(folder).is_dir() else ()
            folders[folder] = {entry.name for entry in there if _is_file(entry)}
        if name not in folders[folder]:
            missing.append(path)
    return missing


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False
