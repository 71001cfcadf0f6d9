"""Verdicts as requests ask for them: what goes wrong becomes an answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Routes
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Upload
from bgremoval_mm.pipeline.verdicts import (
    MaskError,
    TakenError,
    VerdictError,
    accept,
    mask_of,
    reject,
)
from bgremoval_mm.removal.images.reading import ImageError, decode_image
from bgremoval_mm.serving.errors import RequestError

__all__ = ['Verdicts']

logger = logging.getLogger(__name__)

_AT_ONCE = 2  # photos that are published at a time, which bounds the memory


class Verdicts:
    """Carries verdicts out.

    Each takes an upload as the person saw it, and the token of the claim under which the person
    works on it, empty if there is none. They raise `RequestError`.

    Args:
        queue: The uploads.
        files: Their files.
        routes: What is made of which.
    """

    def __init__(self, queue: UploadQueue, files: PipelineFiles, routes: Routes) -> None:
        self._queue = queue
        self._files = files
        self._routes = routes
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def accept(self, upload: Upload, token: str) -> State:
        """Publish a photo with the network's mask."""
        with self._places, _answered():
            return accept(
                self._queue,
                self._files,
                self._routes,
                upload.name,
                version=upload.version,
                token=token,
            )

    def correct(self, upload: Upload, token: str, content: bytes, max_pixels: int) -> State:
        """Publish a photo with a person's mask, a grey picture's file."""
        with self._places, _answered():
            try:
                picture = decode_image(content, max_pixels=max_pixels)
            except ImageError as err:
                msg = f'the mask cannot be read: {err}'
                raise MaskError(msg) from err
            return accept(
                self._queue,
                self._files,
                self._routes,
                upload.name,
                mask_of(picture, 'the mask'),
                version=upload.version,
                token=token,
            )

    def reject(self, upload: Upload, token: str, reason: str) -> State:
        """Do not publish a photo."""
        with _answered():
            return reject(self._queue, upload.name, reason, version=upload.version, token=token)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except TakenError as err:
        raise RequestError(409, 'taken', 'This photo cannot be decided on', str(err)) from err
    except MaskError as err:
        raise RequestError(400, 'bad_mask', 'The mask cannot be used', str(err)) from err
    except VerdictError as err:
        raise RequestError(409, 'no_route', 'This photo cannot be published', str(err)) from err
    except ImageError as err:
        raise RequestError(422, 'unreadable', 'The photo cannot be read', str(err)) from err
    except OSError as err:
        logger.exception('a file of the pipeline cannot be read or written')
        title = 'A file of the pipeline cannot be read or written'
        raise RequestError(500, 'no_file', title, err.strerror or 'no picture') from err
