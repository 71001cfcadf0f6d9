"""WaitingList: what waits in review, the most doubtful mask first."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.tables import Upload
from bgremoval_mm.removal.masks.quality import MaskQuality, quality

__all__ = ['Waiting', 'WaitingList']

_WORST = 100.0  # suspicion of a mask that cannot be read


@dataclass(frozen=True)
class Waiting:
    """An upload that waits in review.

    Attributes:
        upload: Its row.
        quality: Figures of its mask, None if that cannot be read.
        is_held: Whether somebody is deciding on it.
    """

    upload: Upload
    quality: MaskQuality | None
    is_held: bool

    @property
    def suspicion(self) -> float:
        """How doubtful its mask is."""
        return _WORST if self.quality is None else self.quality.suspicion


class WaitingList:
    """Lists what waits in review. Figures of masks are computed once.

    Args:
        queue: The uploads.
        files: Their files.
    """

    def __init__(self, queue: UploadQueue, files: PipelineFiles) -> None:
        self._queue = queue
        self._files = files
        self._known: dict[tuple[str, str], MaskQuality | None] = {}
        self._lock = threading.Lock()

    def read(self) -> list[Waiting]:
        """Return what waits, the most doubtful mask first, then in order of arrival.

        Versions of a photo that is there in a later version are left out: a verdict on them would
        have no effect.
        """
        rows = self._queue.in_review()
        now = self._queue.clock()
        with self._lock:
            known = {key: self._known[key] for row in rows if (key := _key(row)) in self._known}
            for row in rows:
                if _key(row) not in known:
                    known[_key(row)] = self._measure(row)
            self._known = known
        found = [Waiting(row, known[_key(row)], row.claimed_until > now) for row in rows]
        return sorted(found, key=lambda each: -each.suspicion)

    def _measure(self, row: Upload) -> MaskQuality | None:
        try:
            return quality(self._files.mask(row.sha256, row.model))
        except OSError:
            return None


def _key(row: Upload) -> tuple[str, str]:
    return row.sha256, row.model
