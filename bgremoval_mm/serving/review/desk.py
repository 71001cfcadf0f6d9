"""Desk: the uploads that wait for a person, and what the person does with them."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy.orm import Session

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.measurements import waiting
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Routes
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Upload
from bgremoval_mm.pipeline.verdicts import NotWaitingError, accept, reject
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.masks.functional import resize

__all__ = ['Desk']

_SIDE = 1600  # pixels of the photo on the screen, its longer side
_LISTED = 200
_LONGEST_REASON = 500


class Desk:
    """The uploads that wait in review.

    An upload is meant by its number, and so a certain version of a photo is: a verdict on a photo
    that has changed meanwhile is refused.

    Args:
        queue: The uploads.
        files: Their files.
        routes: What is made of which.
    """

    def __init__(self, queue: UploadQueue, files: PipelineFiles, routes: Routes) -> None:
        self.queue = queue
        self.files = files
        self.routes = routes
        self._photo = lru_cache(maxsize=16)(self._make_photo)

    def waiting(self) -> dict[str, Any]:
        """Return how many wait, and the 200 most suspicious ones, ready for JSON."""
        found = [
            {
                'id': upload.id,
                'name': upload.name,
                'version': upload.version,
                'route': upload.route,
                'model': upload.model,
                'reasons': upload.reasons,
                'suspicion': round(suspicion, 2),
                'received': upload.received,
            }
            for upload, suspicion in waiting(self.queue, _LISTED)
        ]
        return {'total': self.queue.counts()[State.REVIEW], 'uploads': found}

    def photo(self, upload: int) -> tuple[bytes, str]:
        """Return a photo as it is shown: JPEG or PNG, 1600 pixels long at most; its media type.

        Raises:
            NotWaitingError: If there is no such upload, or it does not wait.
        """
        row = self._row(upload)
        content, media_type, _ = self._photo(row.sha256, row.name)
        return content, media_type

    def mask(self, upload: int) -> bytes:
        """Return the network's mask at the size of `photo`: a grey PNG.

        Raises:
            NotWaitingError: If there is no such upload, or it does not wait.
        """
        row = self._row(upload)
        *_, size = self._photo(row.sha256, row.name)
        return _encode(resize(self.files.mask(row.sha256, row.model), size), 'png')

    def accept(self, upload: int, mask: bytes | None = None) -> State:
        """Publish a photo.

        Args:
            upload: Which one.
            mask: Its corrected mask: a picture file of the size of the photo, or of `photo`.

        Raises:
            NotWaitingError: If there is no such upload, it does not wait, or somebody else is
                deciding on it.
            VerdictError: If the mask does not fit.
        """
        row = self._row(upload)
        *_, size = self._photo(row.sha256, row.name)
        return accept(self.queue, self.files, self.routes, row.name, mask, row.version, size)

    def reject(self, upload: int, reason: str = '') -> State:
        """Do not publish a photo.

        Raises:
            NotWaitingError: As for `accept`.
        """
        row = self._row(upload)
        return reject(self.queue, row.name, reason[:_LONGEST_REASON], row.version)

    def _row(self, upload: int) -> Upload:
        with Session(self.queue.engine, expire_on_commit=False) as session:
            row = session.get(Upload, upload)
        if row is None or row.state != State.REVIEW or row.claimed_until > self.queue.clock():
            state = 'is not there' if row is None else f'stands at {row.state}'
            msg = f'upload {upload} {state}'
            raise NotWaitingError(msg)
        return row

    def _make_photo(self, sha256: str, name: str) -> tuple[bytes, str, tuple[int, int]]:
        image = Image.fromarray(decode_image(self.files.photo(sha256), name=name).rgb)
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        return _encode(np.asarray(image), 'jpeg'), 'image/jpeg', image.size


def _encode(pixels: np.ndarray, kind: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=90)
    return buffer.getvalue()
