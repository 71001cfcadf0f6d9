"""PipelineFiles: what the pipeline keeps in files: photos and masks by hash, results by name."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.storage import open_storage
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically

__all__ = ['PipelineFiles', 'check_name']


class PipelineFiles:
    """The folder of a pipeline, which all its workers share.

    ``photos/ab/abcd...``, the bytes of each upload under their SHA-256, so that a changed photo
    never disturbs the work on its former version; ``masks/MODEL/ab/abcd....png``, masks at the
    model's resolution; ``published/NAME.png``, the results, under the photo's name.

    Args:
        root: The folder; it is made if it is not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ('photos', 'masks', 'published'):
            (root / name).mkdir(parents=True, exist_ok=True)

    def keep_photo(self, content: bytes) -> str:
        """Store the bytes of a photo; return their SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        self._write(self._photo(sha256), content, replace=False)
        return sha256

    def photo(self, sha256: str) -> bytes:
        """Return the bytes of a photo."""
        return self._photo(sha256).read_bytes()

    def keep_mask(self, sha256: str, model: str, mask: np.ndarray) -> None:
        """Store the mask of a photo, uint8 of shape (h, w), at the model's resolution."""
        encoded = BytesIO()
        Image.fromarray(mask).save(encoded, 'png')
        self._write(self._mask(sha256, model), encoded.getvalue())

    def mask(self, sha256: str, model: str) -> np.ndarray:
        """Return the mask of a photo, uint8 of shape (h, w)."""
        with Image.open(self._mask(sha256, model)) as image:
            return np.array(image.convert('L'))

    def mask_time(self, sha256: str, model: str) -> int:
        """Return when the mask of a photo was stored, in nanoseconds since the epoch."""
        return self._mask(sha256, model).stat().st_mtime_ns

    def publish(self, name: str, content: bytes, place: str = '') -> None:
        """Put a result in its place, or replace the one that is there.

        Args:
            name: Its path.
            content: Its bytes.
            place: Address below which that is; empty for the folder ``published``.

        Raises:
            OSError: If it cannot be written; then nothing of it is there.
        """
        if not place:
            self._write(self.root / 'published' / check_name(name), content)
            return
        try:
            open_storage(place).write(check_name(name), content)
        except OSError as err:
            msg = f'{place} cannot be written to: {err.strerror or err}'
            raise OSError(msg) from err

    def sweep(self) -> None:
        """Delete what killed workers of this machine left half-written."""
        for folder in self.root.rglob('*'):
            if folder.is_dir():
                sweep_leftovers(folder)

    def _photo(self, sha256: str) -> Path:
        return self.root / 'photos' / sha256[:2] / sha256

    def _mask(self, sha256: str, model: str) -> Path:
        return self.root / 'masks' / model / sha256[:2] / f'{sha256}.png'

    @staticmethod
    def _write(path: Path, content: bytes, replace: bool = True) -> None:
        if replace or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)


def check_name(name: str) -> str:
    """Return a photo's name if it stays below the folder that it is put in.

    Raises:
        ArgumentError: If it does not, is empty, or is no text that a database can hold.
    """
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or '..' in path.parts or '\\' in name or '\0' in name:
        msg = f'the name of an upload must be a relative path such as shoes/a.jpg, but got {name!r}'
        raise ArgumentError(msg)
    try:
        name.encode()
    except UnicodeEncodeError:
        msg = f'the name of an upload must be valid UTF-8, but got {name!r}'
        raise ArgumentError(msg) from None
    return name
