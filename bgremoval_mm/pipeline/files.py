"""PipelineFiles: what the pipeline keeps in files: photos and masks by hash, results by name."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.storage import Unwritten, open_storage
from bgremoval_mm.utils.atomic import StagedFile, sweep_leftovers, write_atomically

__all__ = ['PipelineFiles', 'check_name', 'is_pipeline']

_FOLDERS = ('photos', 'masks', 'published')
# In each of them, for files that are not whole yet. Each may be a volume of its own, and what is
# made in a folder gets its group from there.
_UNFINISHED = '.unfinished'


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
        for name in _FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)

    def keep_photo(self, content: bytes) -> str:
        """Store the bytes of a photo; return their SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._photo(sha256)
        # Its sender is told that it is kept: it outlives a power failure. One that was cut off by
        # such a failure is written again.
        if not path.exists() or path.stat().st_size != len(content):
            self._write(path, content, durable=True)
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

    @contextmanager
    def staged(
        self, name: str, content: bytes, place: str = '', *, early: bool = True
    ) -> Iterator[Callable[[], None]]:
        """Write a result where nobody sees it; yield what then puts it in its place.

        That takes the time of a rename, or of a short request. A result that is not put there is
        dropped at the end.

        Args:
            name: Its path.
            content: Its bytes.
            place: Address below which that is; empty for the folder ``published``.
            early: Whether this is also done in a bucket, where it takes two requests more. Only S3
                can do it: all else is written when it is put in its place.

        Raises:
            OSError: If it cannot be written; then nothing of it is there.
        """
        if not place:
            with self._staged(self.root / 'published' / check_name(name), content) as commit:
                yield commit
            return
        storage, name = open_storage(place), check_name(name)
        with _naming(place):
            staged = storage.stage(name, content) if early else Unwritten(storage, name, content)

        def commit_there() -> None:
            with _naming(place):
                staged.commit()

        try:
            yield commit_there
        finally:
            with suppress(OSError):
                staged.discard()

    def publish(self, name: str, content: bytes, place: str = '') -> None:
        """Put a result in its place, or replace the one that is there; see `staged`."""
        with self.staged(name, content, place, early=False) as commit:
            commit()

    def sweep(self) -> None:
        """Delete what killed workers of this machine left half-written.

        This takes as long as there are leftovers, however many photos there are.
        """
        for name in _FOLDERS:
            sweep_leftovers(self.root / name / _UNFINISHED)

    def _photo(self, sha256: str) -> Path:
        return self.root / 'photos' / sha256[:2] / sha256

    def _mask(self, sha256: str, model: str) -> Path:
        return self.root / 'masks' / model / sha256[:2] / f'{sha256}.png'

    def _write(self, path: Path, content: bytes, durable: bool = False) -> None:
        with self._staged(path, content, durable) as commit:
            commit()

    @contextmanager
    def _staged(
        self, path: Path, content: bytes, durable: bool = False
    ) -> Iterator[Callable[[], None]]:
        unfinished = self.root / path.relative_to(self.root).parts[0] / _UNFINISHED
        for folder in (path.parent, unfinished):
            folder.mkdir(parents=True, exist_ok=True)
        staged = StagedFile(path, content, unfinished, durable)

        def commit() -> None:
            try:
                staged.commit()
            except OSError as err:
                if err.errno != errno.EXDEV:
                    raise
                write_atomically(path, content)  # a volume is mounted below the folder

        try:
            yield commit
        finally:
            staged.discard()


@contextmanager
def _naming(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        msg = f'{place} cannot be written to: {err.strerror or err}'
        raise OSError(msg) from err


def is_pipeline(root: Path) -> bool:
    """Return whether a folder is one of a pipeline."""
    return all((root / name).is_dir() for name in _FOLDERS)


def check_name(name: str) -> str:
    """Return a photo's name if it stays below the folder that it is put in, and is spelled plainly.

    Of two spellings of a path, such as ``a/b`` and ``a//b``, one is a name: they would be two
    uploads with one result.

    Raises:
        ArgumentError: If it does not or is not, is empty, lies where results are that are not
            whole yet, or is no text that a database can hold.
    """
    path = PurePosixPath(name)
    stays = path.name and not path.is_absolute() and '..' not in path.parts
    is_ours = path.parts[:1] == (_UNFINISHED,)
    if not stays or is_ours or name != str(path) or '\\' in name or '\0' in name:
        msg = (
            'the name of an upload must be a relative path such as shoes/a.jpg, with no part that '
            f'is empty, "." or "..", and not in {_UNFINISHED}, but got {name!r}'
        )
        raise ArgumentError(msg)
    try:
        name.encode()
    except UnicodeEncodeError:
        msg = f'the name of an upload must be valid UTF-8, but got {name!r}'
        raise ArgumentError(msg) from None
    return name
