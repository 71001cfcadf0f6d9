"""What a place of photos or results can do, wherever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from bgremoval_mm.removal.images.reading import SourceImage, SourceStamp
from bgremoval_mm.removal.io.scan import Scan
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS

__all__ = ['Place']


class Place(ABC):
    """A tree of files. Names are paths below its top, with ``/``. Places can be pickled."""

    address: str

    @abstractmethod
    def scan(self) -> Scan:
        """Find the images."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            OSError: If it cannot be read; FileNotFoundError, if it is not there.
        """

    @abstractmethod
    def read_image(
        self, name: str, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
    ) -> SourceImage:
        """Read a photograph; raises as ``images.read_image``."""

    @abstractmethod
    def has(self, name: str, stamp: SourceStamp, always_hash: bool = False) -> bool:
        """Return whether a file still has the content of that stamp.

        A time of 0 is no time: the content is compared then.

        Raises:
            OSError: If it cannot be read.
        """

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all; folders are made as needed.

        Raises:
            OSError: If it cannot be written.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a file, if it is there.

        Raises:
            OSError: If it cannot be deleted.
        """

    @abstractmethod
    def sweep(self, names: set[str]) -> None:
        """Delete what killed processes left half-written in those folders."""

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.address!r})'
