"""Banks of photos without a foreground, whose scenes are put behind the objects of other photos."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log

from bgremoval_mm.removal import ImageError
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import decode_image, read_bytes
from bgremoval_mm.removal.io.scan import scan_tree
from bgremoval_mm.utils.text import printable

__all__ = ['BackgroundBank', 'check_disjoint', 'sources_of']

MIN_SIDE = 32
"""Pixels of the shorter side below which a photo is refused: it would be a blur."""

ALIKE = 4
"""Bits of 64 in which the dHash of two photos that look alike differs at most."""

_NAMED = 5  # files that an error names


class BackgroundBank:
    """Photos of backgrounds, decoded once and kept in memory as far as a budget allows.

    Every photo is read when the bank is made, so that a broken one ends a run before it begins, and
    workers that are forked later share the decoded photos. A pickled bank carries the list of files
    only; photos are then read again when they are asked for.

    Args:
        paths: A folder of photos, whose hidden files and files that are not images are ignored; or
            a list file, one name a line, relative to the file's folder or to ``images`` in it
            (empty lines and lines that begin with ``#`` are skipped); or several of these.
        short_side: Photos are kept with a shorter side of at most this many pixels. The default is
            enough for networks of 224 pixels: the smallest crop of ReplaceBackground then has 205.
        memory_mb: MiB of decoded photos that a process keeps. Photos beyond are decoded every time.

    Attributes:
        paths: The folders and list files.
        files: The photos, in the order of a list or sorted by path.
        sha256: Hash of each file's content.
        dhash: Perceptual hash of each photo, 64 bits.

    Raises:
        ArgumentError: If there is no such folder or file, no photo in it, or one cannot be read
            or has a side of less than 32 pixels; the file is named.
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        short_side: int = 512,
        memory_mb: float = 256,
    ) -> None:
        if short_side < MIN_SIDE:
            msg = f'`short_side` must be at least {MIN_SIDE} pixels, but got {short_side!r}'
            raise ArgumentError(msg)
        if memory_mb < 0:
            msg = f'`memory_mb` must be 0 or more, but got {memory_mb!r}'
            raise ArgumentError(msg)
        self.paths = sources_of(paths)
        self.short_side = short_side
        self.memory_mb = memory_mb
        # A photo that is in a folder and in a list counts once.
        self.files = tuple(dict.fromkeys(file for each in self.paths for file in _list(each)))
        if not self.files:
            msg = f'`bank` must hold at least one photo, but {_joined(self.paths)} has none'
            raise ArgumentError(msg)
        self._start()
        hashes = [self._read(index)[1:] for index in range(len(self.files))]
        self.sha256 = tuple(each for each, _ in hashes)
        self.dhash = tuple(each for _, each in hashes)

    @classmethod
    def of(cls, bank: Any) -> BackgroundBank:
        """Return the bank that a config names: its `paths`, a dict of arguments, or a bank."""
        if isinstance(bank, cls):
            return bank
        return cls(**bank) if isinstance(bank, Mapping) else cls(bank)

    def __len__(self) -> int:
        return len(self.files)

    def photo(self, index: int) -> np.ndarray:
        """Return a photo, uint8 of shape (h, w, 3), BGR; it must not be changed.

        Raises:
            ArgumentError: If the file has become unreadable.
        """
        kept = self._kept.get(index)
        return self._read(index)[0] if kept is None else kept

    def _start(self) -> None:
        self._kept: dict[int, np.ndarray] = {}
        self._bytes_left = self.memory_mb * 2**20

    def _read(self, index: int) -> tuple[np.ndarray, str, int]:
        """Return a photo, the SHA-256 of its file and its dHash; keep it if it fits."""
        file = self.files[index]
        try:
            content, _ = read_bytes(Path(file))
            rgb = decode_image(content, name=Path(file).name).rgb
        except (ImageError, OSError) as err:
            msg = f'`bank` must hold readable photos, but {printable(file)} is not: {err}'
            raise ArgumentError(msg) from err
        side = min(rgb.shape[:2])
        if side < MIN_SIDE:
            msg = (
                f'`bank` must hold photos of at least {MIN_SIDE} x {MIN_SIDE} pixels, but '
                f'{printable(file)} has {rgb.shape[1]} x {rgb.shape[0]}'
            )
            raise ArgumentError(msg)
        photo = np.ascontiguousarray(rgb[..., ::-1])
        fingerprint = dhash(photo)
        if side > self.short_side:
            scale = self.short_side / side
            size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
            photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        if photo.nbytes <= self._bytes_left:
            self._kept[index] = photo
            self._bytes_left -= photo.nbytes
        return photo, hashlib.sha256(content).hexdigest(), fingerprint

    def __getstate__(self) -> dict[str, Any]:
        return {name: each for name, each in vars(self).items() if name != '_kept'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> BackgroundBank:
        return self  # copies of a dataset share the decoded photos, which nobody changes

    def __repr__(self) -> str:
        return f'{type(self).__name__}({_joined(self.paths)}: {len(self)} photos)'


def sources_of(bank: Any) -> tuple[str, ...]:
    """Return the folders and list files of a bank, in whichever form a config gives it.

    Raises:
        ArgumentError: If it is none of these forms.
    """
    if isinstance(bank, BackgroundBank):
        return bank.paths
    if isinstance(bank, Mapping):
        return sources_of(bank.get('paths'))
    if isinstance(bank, str | os.PathLike):
        return (os.fspath(bank),)
    if isinstance(bank, list | tuple) and all(isinstance(each, str | os.PathLike) for each in bank):
        return tuple(map(os.fspath, bank))
    msg = f'`bank` must be a folder of photos, a list file, or several of these, but got {bank!r}'
    raise ArgumentError(msg)


def _list(source: str) -> list[str]:
    """Return the photos of a folder or of a list file.

    Raises:
        ArgumentError: If there is no such folder or file, or a file of the list is missing.
    """
    root = Path(source)
    if root.is_dir():
        scan = scan_tree(root)
        for name, reason in scan.unreadable.items():
            msg = f'`bank` must be readable, but {printable(root / name)} is not: {reason}'
            raise ArgumentError(msg)
        return sorted(str(root / name) for name in scan.images)
    try:
        lines = root.read_text(encoding='utf-8-sig').splitlines()
    except (OSError, ValueError) as err:
        msg = (
            '`bank` must be a folder of photos or a list file (UTF-8, one name a line), but '
            f'{printable(source)} is neither: {err}'
        )
        raise ArgumentError(msg) from err
    files = []
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if not name or name.startswith('#'):
            continue
        file = next((each for each in (root.parent / name, root.parent / 'images' / name)
                     if each.is_file()), None)  # fmt: skip
        if file is None:
            msg = (
                f'`bank` must list photos that are there, but {printable(source)}, line {number}, '
                f'names {printable(name)}, which is neither in its folder nor in images/ in that'
            )
            raise ArgumentError(msg)
        files.append(str(file))
    return files


def dhash(image: np.ndarray) -> int:
    """Return the difference hash of a picture, 64 bits: where grey gets brighter to the right.

    Neal Krawetz, "Kind of Like That", hackerfactor.com, 2013. Copies that were resized or
    compressed differ in a few bits.

    Args:
        image: uint8 array of shape (H, W, 3), BGR.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return int.from_bytes(bits.tobytes(), 'big')


def check_disjoint(training: BackgroundBank, test: BackgroundBank) -> None:
    """Refuse a test bank that shares files with a training bank; warn of photos that look alike.

    Files are compared by content, whatever their names; photos look alike if their dHash differs in
    at most 4 of 64 bits.

    Raises:
        ArgumentError: If the banks overlap; the files are named.
    """
    known = dict(zip(training.sha256, training.files, strict=True))
    shared = [
        (known[each], file)
        for each, file in zip(test.sha256, test.files, strict=True)
        if each in known
    ]
    if shared:
        msg = (
            'the banks of training and test must have no photo in common, but share '
            f'{len(shared)}: {_pairs(shared)}'
        )
        raise ArgumentError(msg)
    alike = [
        (file, other)
        for one, file in zip(training.dhash, training.files, strict=True)
        for two, other in zip(test.dhash, test.files, strict=True)
        if (one ^ two).bit_count() <= ALIKE
    ]
    if alike:
        print_log(
            f'{len(alike)} photos of the training bank look like one of the test bank: '
            f'{_pairs(alike)}. Take one of each pair out, unless they only look alike.',
            'current',
            logging.WARNING,
        )


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    named = [f'{printable(one)} = {printable(two)}' for one, two in pairs[:_NAMED]]
    more = len(pairs) - len(named)
    return '; '.join([*named, *([f'and {more} more'] if more else [])])


def _joined(paths: Sequence[str]) -> str:
    return ', '.join(map(printable, paths)) or 'an empty list'
