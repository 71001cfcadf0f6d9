"""What a person decides on an upload that waits in review."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.measurements import Verdict, agreement, judged
from bgremoval_mm.pipeline.queue import Claim, UploadQueue
from bgremoval_mm.pipeline.results import publish
from bgremoval_mm.pipeline.routes import Routes
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.reading import ImageError, decode_image, read_image
from bgremoval_mm.removal.masks.functional import resize

__all__ = ['PEOPLE', 'NotWaitingError', 'VerdictError', 'accept', 'reject']

PEOPLE = 'people'  # who made a corrected mask, in the place of a network's name


class VerdictError(BgremovalError):
    """A verdict cannot be carried out."""


class NotWaitingError(VerdictError):
    """The upload does not wait for a verdict, or not in that version, or no longer."""


def accept(
    queue: UploadQueue,
    files: PipelineFiles,
    routes: Routes,
    name: str,
    mask: Path | bytes | None = None,
    version: int | None = None,
    drawn_at: tuple[int, int] | None = None,
) -> State:
    """Publish a photo that waits in review.

    Args:
        queue: The uploads.
        files: Their files.
        routes: What is made of which.
        name: Of the photo.
        mask: Its corrected mask, a file or a file's bytes: a grey picture of the photo's size,
            white on the object. It is kept in ``masks/people``, where it can serve to train a
            better network.
        version: Which version was looked at; None: the newest one, whatever it is.
        drawn_at: Another size, (width, height), that the mask may have, such as that of a preview;
            it is then resized to the photo's.

    Returns:
        Its state: superseded in place of published if a later version has come.

    Raises:
        NotWaitingError: If it does not wait in review.
        VerdictError: If the mask does not fit.
    """
    claim = _claim(queue, name, version)
    try:
        route = routes.named(claim.route)
        if route is None:
            msg = f'{name}: the route {claim.route!r} is not among the routes; give their file'
            raise VerdictError(msg)
        source = decode_image(files.photo(claim.sha256), name=claim.name)
        found = files.mask(claim.sha256, claim.model)
        if mask is None:
            right, model, reason = found, claim.model, 'accepted'
            record = judged(claim, Verdict.ACCEPTED, 1.0)
        else:
            right = _read_mask(mask, source.size, drawn_at)
            model, reason = PEOPLE, 'mask corrected'
            files.keep_mask(claim.sha256, PEOPLE, right)
            record = judged(claim, Verdict.CORRECTED, agreement(found, right))
        reason = f'{reason} by a person'
        return publish(queue, files, claim, source, route, right, reason, model, record).state
    finally:
        queue.release(claim)  # without effect once it is published


def reject(queue: UploadQueue, name: str, reason: str = '', version: int | None = None) -> State:
    """Record that a photo that waits in review is not to be published; it has failed.

    Args:
        queue: The uploads.
        name: Of the photo.
        reason: Why, for the record.
        version: Which version was looked at; None: the newest one.

    Raises:
        NotWaitingError: If it does not wait in review.
    """
    said = f': {reason}' if reason else ''
    claim = _claim(queue, name, version)
    record = judged(claim, Verdict.REJECTED, None)
    return queue.advance(claim, State.FAILED, f'rejected by a person{said}', record=record).state


def _claim(queue: UploadQueue, name: str, version: int | None) -> Claim:
    claim = queue.claim_review(name, version)
    if claim is None:
        which = '' if version is None else f', version {version},'
        msg = f'{name}:{which} does not wait in review, or somebody else is deciding on it'
        raise NotWaitingError(msg)
    return claim


def _read_mask(
    mask: Path | bytes, size: tuple[int, int], drawn_at: tuple[int, int] | None
) -> np.ndarray:
    name = 'the mask' if isinstance(mask, bytes) else str(mask)
    try:
        read = decode_image(mask, name=name) if isinstance(mask, bytes) else read_image(mask)
    except ImageError as err:
        msg = f'{name}: {err}' if isinstance(mask, bytes) else str(err)
        raise VerdictError(msg) from err
    if read.size not in (size, drawn_at):
        msg = (
            f'{name}: a mask must have the size of its photo, {size[0]} x {size[1]} pixels, but '
            f'has {read.size[0]} x {read.size[1]}'
        )
        raise VerdictError(msg)
    if (read.rgb != read.rgb[..., :1]).any():
        msg = f'{name}: a mask must be grey, white on the object, but has colours'
        raise VerdictError(msg)
    if not (read.rgb > 127).any():
        msg = f'{name}: the mask is empty: reject the photo, or mark its object in white'
        raise VerdictError(msg)
    return resize(np.ascontiguousarray(read.rgb[..., 0]), size)
