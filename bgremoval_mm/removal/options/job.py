"""JobOptions: which images a job does, how and where; and Shard, a part of a tree's images."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options.values import (
    ENGINES,
    MAX_BYTES,
    MAX_PIXELS,
    check_choice,
    check_number,
)

__all__ = ['JobOptions', 'Shard']


@dataclass(frozen=True)
class JobOptions:
    """Which images a job does, how and where.

    Attributes:
        overwrite: Do again what is done.
        checksum: Compare sources by content alone, not by size and time of modification.
        max_pixels: Larger images are refused before they are decoded.
        max_bytes: Larger files are refused before they are read.
        shard: ``'i/n'``: do the i-th of n parts of the images, i from 1 to n. Parts are cut by
            a hash of the name, so that each stays the same when images are added, and have a
            manifest each (see Manifest): for as many jobs on as many machines.
        engine: ``'local'``, or ``'ray'``: on a Ray cluster, or on all cores of this machine.
        workers: Number of Ray actors; 0 takes one a GPU, or one every four CPU cores (or every
            ``num_threads``), at least one a machine.
        accept: Tells from its path whether an image is to be done, or None for all.
        progress: Show a progress bar.

    Raises:
        ArgumentError: If an option is not one of the above.
    """

    overwrite: bool = False
    checksum: bool = False
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES
    shard: str | None = None
    engine: str = 'local'
    workers: int = 0
    accept: Callable[[str], bool] | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        check_choice('engine', self.engine, ENGINES)
        for name in ('max_pixels', 'max_bytes'):
            check_number(name, getattr(self, name), 1)
        check_number('workers', self.workers, 0, 'a number of actors, 0 for as many as fit')
        self.part  # noqa: B018 (finds out whether there is such a part)

    @cached_property
    def part(self) -> Shard:
        """The part of the images that is to be done."""
        return Shard.parse(self.shard)

    def includes(self, path: str) -> bool:
        """Return whether an image is to be done, by its path below the source."""
        # A root that cannot be read concerns each part.
        mine = path == '.' or self.part.holds(path)
        return mine and (self.accept is None or self.accept(path))


@dataclass(frozen=True)
class Shard:
    """The i-th of n parts of a tree's images, cut by a hash of their names."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str | None) -> Shard:
        """Return the part that ``'i/n'`` names; None is the whole.

        Raises:
            ArgumentError: If it names none.
        """
        if text is None:
            return cls()
        found = re.fullmatch(r'(\d+)/(\d+)', text) if isinstance(text, str) else None
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            msg = f"`shard` must be 'i/n' with i from 1 to n, e.g. '3/8', but got {text!r}"
            raise ArgumentError(msg)
        return cls(int(found[1]), int(found[2]))

    @property
    def name(self) -> str:
        """What its manifest is named after; nothing for the whole."""
        return '' if self.count == 1 else f'{self.index}-of-{self.count}'

    def holds(self, path: str) -> bool:
        """Return whether an image belongs to the part."""
        key = zlib.crc32(path.encode(errors='surrogateescape'))
        return key % self.count == self.index - 1
