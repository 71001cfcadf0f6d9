"""Where uploads come from: a folder, once or watched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bgremoval_mm.pipeline.files import PipelineFiles, check_name
from bgremoval_mm.pipeline.queue import UploadQueue

__all__ = ['Received', 'receive_bytes', 'receive_files']


@dataclass
class Received:
    """What came of a look at a source.

    Attributes:
        new: Uploads that were recorded.
        known: Photos whose bytes were known already.
        unreadable: Files that could not be read, each with the reason.
    """

    new: int = 0
    known: int = 0
    unreadable: list[str] = field(default_factory=list)


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


def receive_files(
    queue: UploadQueue, files: PipelineFiles, folder: Path, names: Iterable[str]
) -> Received:
    """Store and record files of a folder, by their path below it."""
    found = Received()
    for name in sorted(names):
        try:
            content = (folder / name).read_bytes()
        except OSError as err:
            found.unreadable.append(f'{name}: {err.strerror or err}')
            continue
        _, is_new = receive_bytes(queue, files, Path(name).as_posix(), content, str(folder))
        found.new += is_new
        found.known += not is_new
    return found
