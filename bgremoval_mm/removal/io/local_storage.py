"""Where photos come from and results go to: a local folder, or any address that fsspec opens."""

from __future__ import annotations

from pathlib import Path

from bgremoval_mm.removal.images.reading import SourceImage, SourceStamp, read_image
from bgremoval_mm.removal.io.addresses import is_url, local_path
from bgremoval_mm.removal.io.fsspec_storage import UrlPlace
from bgremoval_mm.removal.io.scan import Scan, scan_tree
from bgremoval_mm.removal.io.storage import Place
from bgremoval_mm.removal.options import MAX_BYTES, MAX_PIXELS
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically

__all__ = ['LocalPlace', 'Place', 'UrlPlace', 'is_url', 'open_place']


class LocalPlace(Place):
    """A folder of this machine's file system, or a mounted one.

    Args:
        root: The folder; need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = str(root)
        self._prepared: set[Path] = set()

    def scan(self) -> Scan:
        """Find the images, by content, following links."""
        return scan_tree(self.root)

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        try:
            return (self.root / name).is_file()
        except OSError:  # e.g. a name that is too long
            return False

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self.root / name).read_bytes()

    def read_image(
        self, name: str, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES
    ) -> SourceImage:
        """Read a photograph."""
        return read_image(self.root / name, max_pixels, max_bytes)

    def has(self, name: str, stamp: SourceStamp, always_hash: bool = False) -> bool:
        """Return whether a file still has the content of that stamp."""
        return stamp.matches(self.root / name, always_hash or not stamp.mtime_ns)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all."""
        path = self.root / name
        if path.parent not in self._prepared:
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep_leftovers(path.parent)
            self._prepared.add(path.parent)
        write_atomically(path, content)

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def sweep(self, names: set[str]) -> None:
        """Delete what killed processes left half-written in those folders."""
        for name in names:
            sweep_leftovers(self.root / name)


def open_place(address: str | Path) -> Place:
    """Return the place of an address. Nothing is opened yet."""
    path = local_path(address)
    return UrlPlace(str(address)) if path is None else LocalPlace(path)
