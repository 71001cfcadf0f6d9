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
from bgremoval_mm.removal.images.reading import decode_image, read_image

__all__ = ['PEOPLE', 'VerdictError', 'accept', 'reject']

PEOPLE = 'people'  # who made a corrected mask, in the place of a network's name


class VerdictError(BgremovalError):
    """A verdict cannot be carried out."""


def accept(
    queue: UploadQueue,
    files: PipelineFiles,
    routes: Routes,
    name: str,
    mask_file: Path | None = None,
) -> State:
    """Publish a photo that waits in review.

    Args:
        queue: The uploads.
        files: Their files.
        routes: What is made of which.
        name: Of the photo, whose newest version is meant.
        mask_file: Its corrected mask: a grey picture of the photo's size, white on the object. It
            is kept in ``masks/people``, where it can serve to train a better network.

    Returns:
        Its state: superseded in place of published if a later version has come.

    Raises:
        VerdictError: If it does not wait in review, or the mask does not fit.
    """
    claim = _claim(queue, name)
    try:
        route = routes.named(claim.route)
        if route is None:
            msg = f'{name}: the route {claim.route!r} is not among the routes; give their file'
            raise VerdictError(msg)
        found = files.mask(claim.sha256, claim.model)
        if mask_file is None:
            mask, model, reason = found, claim.model, 'accepted'
            record = judged(claim, Verdict.ACCEPTED, 1.0)
        else:
            mask, model, reason = _read_mask(files, claim, mask_file), PEOPLE, 'mask corrected'
            files.keep_mask(claim.sha256, PEOPLE, mask)
            record = judged(claim, Verdict.CORRECTED, agreement(found, mask))
        reason = f'{reason} by a person'
        return publish(queue, files, claim, route, mask, reason, model, record).state
    finally:
        queue.release(claim)  # without effect once it is published


def reject(queue: UploadQueue, name: str, reason: str = '') -> State:
    """Record that a photo that waits in review is not to be published; it has failed.

    Raises:
        VerdictError: If it does not wait in review.
    """
    said = f': {reason}' if reason else ''
    claim = _claim(queue, name)
    record = judged(claim, Verdict.REJECTED, None)
    return queue.advance(claim, State.FAILED, f'rejected by a person{said}', record=record).state


def _claim(queue: UploadQueue, name: str) -> Claim:
    claim = queue.claim_review(name)
    if claim is None:
        msg = f'{name}: does not wait in review, or somebody else is deciding on it'
        raise VerdictError(msg)
    return claim


def _read_mask(files: PipelineFiles, claim: Claim, file: Path) -> np.ndarray:
    read = read_image(file)
    size = decode_image(files.photo(claim.sha256), name=claim.name).size
    if read.size != size:
        msg = (
            f'{file}: a mask must have the size of its photo, {size[0]} x {size[1]} pixels, but '
            f'has {read.size[0]} x {read.size[1]}'
        )
        raise VerdictError(msg)
    if (read.rgb != read.rgb[..., :1]).any():
        msg = f'{file}: a mask must be grey, white on the object, but has colours'
        raise VerdictError(msg)
    if not (read.rgb > 127).any():
        msg = f'{file}: the mask is empty: reject the photo, or mark its object in white'
        raise VerdictError(msg)
    return np.ascontiguousarray(read.rgb[..., 0])
