"""What a person decides on an upload that waits in review."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from sqlalchemy.exc import OperationalError

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.measurements import Verdict, agreement, judged
from bgremoval_mm.pipeline.queue import Claim, ClaimLostError, UploadQueue
from bgremoval_mm.pipeline.results import publish
from bgremoval_mm.pipeline.routes import Routes
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.reading import SourceImage, decode_image, read_image

__all__ = ['PEOPLE', 'MaskError', 'TakenError', 'VerdictError', 'accept', 'mask_of', 'reject']

PEOPLE = 'people'  # who made a corrected mask, in the place of a network's name


class VerdictError(BgremovalError):
    """A verdict cannot be carried out."""


class TakenError(VerdictError):
    """The upload does not wait in review, or somebody else is deciding on it."""


class MaskError(VerdictError):
    """A corrected mask is none, or does not fit its photo."""


def accept(
    queue: UploadQueue,
    files: PipelineFiles,
    routes: Routes,
    name: str,
    mask: Path | np.ndarray | None = None,
    *,
    version: int | None = None,
    token: str = '',
) -> State:
    """Publish a photo that waits in review.

    Args:
        queue: The uploads.
        files: Their files.
        routes: What is made of which.
        name: Of the photo, whose newest version is meant.
        mask: Its corrected mask: a grey picture of the photo's size, white on the object; a file,
            or its pixels, uint8 of shape (H, W). It is kept in ``masks/people``, where it can serve
            to train a better network.
        version: The one that was looked at; another one is not published. None allows any.
        token: Of the claim under which a person works on it. It holds on if this fails.

    Returns:
        Its state: superseded in place of published if a later version has come.

    Raises:
        TakenError: If it does not wait in review, or somebody else has it.
        MaskError: If the mask does not fit.
        VerdictError: If its route is gone.
    """
    claim = _claim(queue, name, version, token)
    try:
        route = routes.named(claim.route)
        if route is None:
            msg = f'{name}: the route {claim.route!r} is not among the routes; give their file'
            raise VerdictError(msg)
        source = decode_image(files.photo(claim.sha256), name=claim.name)
        found = files.mask(claim.sha256, claim.model)
        if mask is None:
            made, model, reason = found, claim.model, 'accepted'
            record = judged(claim, Verdict.ACCEPTED, 1.0)
        else:
            made, model, reason = _fitting(mask, source.size), PEOPLE, 'mask corrected'
            files.keep_mask(claim.sha256, PEOPLE, made)
            record = judged(claim, Verdict.CORRECTED, agreement(found, made))
        reason = f'{reason} by a person'
        return publish(queue, files, claim, source, route, made, reason, model, record).state
    except ClaimLostError as err:
        raise TakenError(_why_not(queue, name, version)) from err
    finally:
        _give_back(queue, claim, token)


def reject(
    queue: UploadQueue,
    name: str,
    reason: str = '',
    *,
    version: int | None = None,
    token: str = '',
) -> State:
    """Record that a photo that waits in review is not to be published; it has failed.

    Args:
        queue: The uploads.
        name: Of the photo, whose newest version is meant.
        reason: Why, in words.
        version: The one that was looked at; another one is not rejected. None allows any.
        token: Of the claim under which a person works on it.

    Raises:
        TakenError: If it does not wait in review, or somebody else has it.
    """
    said = f': {reason}' if reason else ''
    claim = _claim(queue, name, version, token)
    try:
        record = judged(claim, Verdict.REJECTED, None)
        reason = f'rejected by a person{said}'
        return queue.advance(claim, State.FAILED, reason, record=record).state
    except ClaimLostError as err:
        raise TakenError(_why_not(queue, name, version)) from err
    finally:
        _give_back(queue, claim, token)


def mask_of(picture: SourceImage, name: str) -> np.ndarray:
    """Return a picture as a mask, uint8 of shape (H, W).

    Args:
        picture: A grey picture, white on the object.
        name: Of the picture, for messages.

    Raises:
        MaskError: If it has colours or transparency.
    """
    levels = picture.rgb[..., 0]
    if picture.alpha is not None or (picture.rgb != levels[..., None]).any():
        what = 'colours' if picture.alpha is None else 'transparent parts'
        msg = f'{name}: a mask must be grey, white on the object, but has {what}'
        raise MaskError(msg)
    return np.ascontiguousarray(levels)


def _claim(queue: UploadQueue, name: str, version: int | None, token: str) -> Claim:
    claim = queue.claim_review(name, version, token)
    if claim is None:
        raise TakenError(_why_not(queue, name, version))
    return claim


def _give_back(queue: UploadQueue, claim: Claim, token: str) -> None:
    """Release a claim that was made for the verdict alone; without effect once it is recorded."""
    if claim.token != token:
        with suppress(OperationalError):  # what went wrong before is told; the lease ends
            queue.release(claim)


def _why_not(queue: UploadQueue, name: str, version: int | None) -> str:
    newest = queue.newest(name)
    if newest is None:
        return f'{name}: does not wait in review: there is no such upload'
    if version not in (None, newest.version):
        return f'{name}: version {newest.version} has come, so that version {version} is past'
    if newest.state == State.REVIEW:
        return f'{name}: somebody else is deciding on it'
    last = queue.history(newest.id)[-1].reason
    return f'{name}: does not wait in review: it is {newest.state} ({last})'


def _fitting(mask: Path | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a mask's pixels if it fits a photo of this size."""
    name = str(mask) if isinstance(mask, Path) else 'the mask'
    if isinstance(mask, Path):
        mask = mask_of(read_image(mask), name)
    if mask.shape[::-1] != size:
        msg = (
            f'{name}: a mask must have the size of its photo, {size[0]} x {size[1]} pixels, but '
            f'has {" x ".join(map(str, mask.shape[::-1]))}'
        )
        raise MaskError(msg)
    if not (mask > 127).any():
        msg = f'{name}: the mask is empty: reject the photo, or mark its object in white'
        raise MaskError(msg)
    return mask
