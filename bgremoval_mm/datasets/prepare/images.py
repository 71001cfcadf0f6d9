"""Read every photograph of a dataset once: check that it decodes, and hash it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from bgremoval_mm.datasets.prepare.check_report import CheckReport, listing
from bgremoval_mm.removal.images.reading import ImageError, read_image

_DAMAGED = 'damaged: '  # in the notes of an image


@dataclass(frozen=True)
class Survey:
    """What reading all photographs gave.

    Attributes:
        hashes: sha256 of the bytes of each photograph that can be decoded, by path.
        unreadable: Reason, by path, of those that cannot.
        damaged: What is damaged, by path, of those that can nevertheless: a part of the picture is
            not the photograph's.
    """

    hashes: dict[str, str]
    unreadable: dict[str, str]
    damaged: dict[str, str] = field(default_factory=dict)

    def same_content(self) -> list[list[str]]:
        """Return the groups of photographs with the same bytes, each sorted."""
        groups: dict[str, list[str]] = {}
        for path in sorted(self.hashes):
            groups.setdefault(self.hashes[path], []).append(path)
        return [group for group in groups.values() if len(group) > 1]


def survey(root: Path, paths: Sequence[str], progress: bool = True) -> Survey:
    """Decode every photograph.

    Args:
        root: Folder of the dataset.
        paths: Photographs, relative to it.
        progress: Show a progress bar, if there is a terminal.
    """
    hashes: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    damaged: dict[str, str] = {}

    def read(path: str) -> None:
        try:
            image = read_image(root / path)
            hashes[path] = image.stamp.sha256
            if _DAMAGED in image.note:
                damaged[path] = image.note
        except (ImageError, OSError) as err:
            unreadable[path] = str(err)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(read, paths)
        for _ in tqdm(
            done, 'Reading', len(paths), unit=' photos', disable=None if progress else True
        ):
            pass
    return Survey(hashes, dict(sorted(unreadable.items())), dict(sorted(damaged.items())))


def fingerprint(hashes: Mapping[str, str], paths: Iterable[str] | None = None) -> str:
    """Return the fingerprint of the names and the content of photographs.

    It is the sha256 of ``sha256sum``'s output for the sorted paths, so that
    ``find * -name '*.jpg' | LC_ALL=C sort | xargs sha256sum | sha256sum`` gives the same.

    Args:
        hashes: sha256 by path.
        paths: Which of them; None is all.
    """
    chosen = sorted(hashes if paths is None else paths)
    lines = ''.join(f'{hashes[path]}  {path}\n' for path in chosen)
    return hashlib.sha256(lines.encode('utf-8', 'surrogateescape')).hexdigest()


def report_photos(report: CheckReport, read: Survey) -> None:
    """Say which photographs cannot be read, and which are there more than once."""
    broken = [f'{path}: {reason}' for path, reason in read.unreadable.items()]
    if broken:
        report.errors.append(
            f'unreadable images, to be fetched again or deleted: {len(broken):,}{listing(broken)}'
        )
    report_damage(report, read)
    same = read.same_content()
    if same:
        report.warnings.append(
            f'photographs that are there under several names: {len(same):,}'
            f'{listing(" = ".join(group) for group in same)}'
        )
    report.details |= {'unreadable': read.unreadable, 'same_content': same}


def report_damage(report: CheckReport, read: Survey) -> None:
    """Say which photographs are damaged, but can be decoded: a training would learn what is not."""
    if read.damaged:
        shown = [f'{path}: {what}' for path, what in read.damaged.items()]
        report.warnings.append(
            f'damaged images, which can be decoded in part: {len(shown):,}{listing(shown)}'
        )
    report.details['damaged'] = read.damaged
