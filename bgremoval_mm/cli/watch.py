"""Watching a folder: images are done as they arrive, when they are complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bgremoval_mm.removal import TreeSummary
from bgremoval_mm.removal.io.scan import walk

__all__ = ['Watcher']

_State = tuple[int | str, ...]


class Watcher:
    """Tells which files of a folder have settled, and hands out those that are new.

    A file counts as complete when its size and times have not changed for a while: copies and
    uploads grow, and a file that is written again has another time. Polling works on network file
    systems, where notifications do not. The files are those of a job's listing (``scan.walk``);
    what cannot be read is handed out as well, once, so that the job reports it.

    Args:
        folder: The folder, watched with all folders below it.
        settle: Seconds for which a file must not change.
    """

    def __init__(self, folder: Path, settle: float = 2.0) -> None:
        self.folder = folder
        self.settle = settle
        self._seen: dict[str, tuple[_State, float]] = {}
        self._done: dict[str, _State] = {}

    def settled(self) -> set[str]:
        """Look, and return the files that are complete, by their path below the folder."""
        now = time.monotonic()
        seen: dict[str, tuple[_State, float]] = {}
        for entry in walk(self.folder):
            # A folder that is gone may come back; one that cannot be read is reported.
            if not entry.ignored and (entry.path != '.' or self.folder.is_dir()):
                known = self._seen.get(entry.path)
                since = known[1] if known is not None and known[0] == entry.state else now
                seen[entry.path] = (entry.state, since)
        self._seen = seen
        return {path for path, (_, since) in seen.items() if now - since >= self.settle}

    def take(self) -> set[str]:
        """Look, and return the complete files that were not returned before as they are now."""
        new = {path for path in self.settled() if self._done.get(path) != self._seen[path][0]}
        # What went is forgotten, so that it is tried again when it comes back.
        self._done = {path: state for path, state in self._done.items() if path in self._seen}
        self._done |= {path: self._seen[path][0] for path in new}
        return new

    def forget(self, names: Iterable[str]) -> None:
        """Return these again at the next look, as what was to be done with them was not."""
        for name in names:
            self._done.pop(name, None)

    def run(
        self, remove: Callable[[set[str]], TreeSummary], interval: float = 0.5
    ) -> Iterator[TreeSummary]:
        """Call `remove` with the new files whenever there are any, until interrupted.

        A folder that goes away, as a network disk does, is waited for.

        Yields:
            What `remove` returns.
        """
        while True:
            if new := self.take():
                try:
                    summary = remove(new)
                except FileNotFoundError:
                    if self.folder.is_dir():
                        raise
                    self._done.clear()
                else:
                    yield summary
            time.sleep(interval)
