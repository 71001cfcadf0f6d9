"""Parts of a tree of images, for as many jobs on as many machines."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['Shard']


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
