"""Watching a folder: images are done as they arrive, when they are complete."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bgremoval_mm.removal import TreeSummary

__all__ = ['Watcher']

_Signature = tuple[int, int]


class Watcher:
    """Tells which files of a folder have settled, and hands out those that are new.

    A file counts as complete when its size and time of modification have not changed for a
    while: copies and uploads grow, and a file that is written anew has another time. Polling works
    on network file systems, where notifications do not.

    Args:
        folder: The folder, watched with all folders below it.
        settle: Seconds for which a file must not change.
    """

    def __init__(self, folder: Path, settle: float = 2.0) -> None:
        self.folder = folder
        self.settle = settle
        self._seen: dict[str, tuple[_Signature, float]] = {}
        self._done: dict[str, _Signature] = {}

    def settled(self) -> set[str]:
        """Look, and return the files that are complete, by their path below the folder."""
        now = time.monotonic()
        seen: dict[str, tuple[_Signature, float]] = {}
        for path, signature in self._list():
            known = self._seen.get(path)
            since = known[1] if known is not None and known[0] == signature else now
            seen[path] = (signature, since)
        self._seen = seen
        return {path for path, (_, since) in seen.items() if now - since >= self.settle}

    def take(self) -> set[str]:
        """Look, and return the complete files that were not returned before as they are now."""
        new = {path for path in self.settled() if self._done.get(path) != self._seen[path][0]}
        for path in new:
            self._done[path] = self._seen[path][0]
        return new

    def run(
        self, remove: Callable[[set[str]], TreeSummary], interval: float = 0.5
    ) -> Iterator[TreeSummary]:
        """Call `remove` with the new files whenever there are any, until interrupted.

        Yields:
            What `remove` returns.
        """
        while True:
            if new := self.take():
                yield remove(new)
            time.sleep(interval)

    def _list(self) -> Iterator[tuple[str, _Signature]]:
        for folder, _, names in os.walk(self.folder, followlinks=True):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118
                try:
                    status = os.stat(path)  # noqa: PTH116
                except OSError:
                    continue  # gone again
                relative = Path(os.path.relpath(path, self.folder)).as_posix()
                yield relative, (status.st_size, status.st_mtime_ns)
