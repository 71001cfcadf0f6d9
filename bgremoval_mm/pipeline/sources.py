"""Where uploads come from: a folder, or a bucket or another address that fsspec lists."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Event

from bgremoval_mm.pipeline.database import DatabaseWait
from bgremoval_mm.pipeline.files import PipelineFiles, check_name
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.storage import Storage, open_storage
from bgremoval_mm.removal.options import MAX_BYTES

__all__ = ['ListingWatcher', 'Received', 'receive_bytes', 'receive_file', 'receive_files']


@dataclass
class Received:
    """What came of a look at a source.

    Attributes:
        new: Uploads that were recorded.
        known: Photos whose bytes were known already.
        unreadable: Files that could not be read or stored, each with the reason.
        missed: The names of those for which another try may help, and of those that were left.
    """

    new: int = 0
    known: int = 0
    unreadable: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def count(self, is_new: bool) -> None:
        """Count a photo whose bytes are stored and recorded."""
        self.new += is_new
        self.known += not is_new


class ListingWatcher:
    """Tells which photos of an address are new, or have changed, by listing it again and again.

    Stores of objects show an object once it is whole. On a file system use `cli.watch.Watcher`,
    which waits until files have settled.

    Args:
        address: Such as ``s3://bucket/photos``.

    Attributes:
        unreadable: What the last look was the first to find that cannot be received, and why.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.unreadable: list[str] = []
        self._told: set[str] = set()
        self._seen: dict[str, tuple[object, ...]] = {}

    def take(self) -> set[str]:
        """List, and return the photos that were not returned before as they are now.

        Raises:
            OSError: If the address cannot be listed; the next look begins where this one did.
        """
        storage = open_storage(self.address)  # a new one, since it lists once
        scan = storage.scan()
        now = {name: storage.state(name) for name in scan.images}
        lines = [f'{name}: {reason}' for name, reason in scan.unreadable.items()]
        self.unreadable = [line for line in lines if line not in self._told]
        self._told = set(lines)
        new = {name for name, state in now.items() if self._seen.get(name) != state}
        self._seen = now
        return new

    def forget(self, names: Iterable[str]) -> None:
        """Return these again at the next look, as they were not received."""
        for name in names:
            self._seen.pop(name, None)


def receive_bytes(
    queue: UploadQueue, files: PipelineFiles, name: str, content: bytes, source: str
) -> tuple[int, bool]:
    """Store and record an upload; return its number, and whether it is new.

    Raises:
        ArgumentError: If the name leaves the folder of the results.
    """
    check_name(name)
    # The bytes are there before anybody hears of them.
    return queue.receive(name, files.keep_photo(content), source)


def receive_file(queue: UploadQueue, files: PipelineFiles, storage: Storage, name: str) -> bool:
    """Store and record a file; return whether it is new.

    Raises:
        ArgumentError: If its name cannot be that of an upload, or it is larger than any photo.
        OSError: If it cannot be read.
    """
    size = storage.size_and_time(check_name(name))[0]
    if size is not None and size > MAX_BYTES:
        msg = f'{size:,} bytes are more than a photo may have, {MAX_BYTES:,}'
        raise ArgumentError(msg)
    content = storage.read(name)
    return receive_bytes(queue, files, name, content, storage.address)[1]


def receive_files(
    queue: UploadQueue,
    files: PipelineFiles,
    storage: Storage,
    names: Iterable[str],
    stop: Event | None = None,
) -> Received:
    """Store and record files, by their path below the top of their storage, until told to stop.

    Raises:
        DatabaseError: If the database has been away for two minutes.
    """
    found, stop, left = Received(), stop or Event(), deque(sorted(names))
    database = DatabaseWait(stop)
    while left and not stop.is_set():
        with database.over_errors():
            _receive(queue, files, storage, left[0], found)
            left.popleft()
    found.missed += left
    return found


def _receive(
    queue: UploadQueue, files: PipelineFiles, storage: Storage, name: str, found: Received
) -> None:
    try:
        is_new = receive_file(queue, files, storage, name)
    except (ArgumentError, OSError) as err:
        reason = err.strerror if isinstance(err, OSError) and err.strerror else err
        found.unreadable.append(f'{name}: {reason}')
        if isinstance(err, OSError):
            found.missed.append(name)
        return
    found.count(is_new)
