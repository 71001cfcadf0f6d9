"""What is recorded of masks and verdicts, for `bgremoval monitor`.

Each function returns what `UploadQueue.advance` calls within its transaction, so that a step and
its measurement are recorded together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from bgremoval_mm.pipeline.queue import Claim
from bgremoval_mm.pipeline.tables import Measurement
from bgremoval_mm.removal.masks.functional import resize
from bgremoval_mm.removal.masks.iou import iou
from bgremoval_mm.removal.masks.quality import MaskQuality

__all__ = ['Record', 'Verdict', 'agreement', 'figures_of', 'judged', 'measured']

Record = Callable[[Session, float], None]
"""Writes rows; takes the session, and the seconds since the epoch."""


class Verdict(StrEnum):
    """What a person decided on a mask."""

    ACCEPTED = 'accepted'
    CORRECTED = 'corrected'
    REJECTED = 'rejected'


def figures_of(found: MaskQuality) -> dict[str, float]:
    """Return the figures that are known of a mask, by name."""
    values = {each.name: getattr(found, each.name) for each in fields(found)}
    return {name: float(value) for name, value in values.items() if isinstance(value, (int, float))}


def measured(claim: Claim, found: MaskQuality, reviewed: bool) -> Record:
    """Return what records the figures of a mask.

    Args:
        claim: The upload, whose state is `REMOVED`.
        found: The figures.
        reviewed: Whether the mask goes to review.
    """

    def record(session: Session, now: float) -> None:
        session.add(_row(claim, found, reviewed, now))

    return record


def judged(claim: Claim, verdict: Verdict, agreement: float | None) -> Record:
    """Return what records a verdict.

    Args:
        claim: The upload, whose state is `REVIEW`.
        verdict: What a person said.
        agreement: IoU of the network's mask with the person's; None if there is no such mask.
    """

    def record(session: Session, now: float) -> None:
        row = session.scalar(
            select(Measurement)
            .where(Measurement.upload_id == claim.id)
            .order_by(Measurement.id.desc())
            .limit(1)
        )
        if row is None:  # its mask was made by a version that measured nothing
            row = _row(claim, None, True, now)
            session.add(row)
        row.verdict, row.iou, row.judged = verdict, agreement, now

    return record


def agreement(mask: np.ndarray, right: np.ndarray) -> float:
    """Return the IoU of a network's mask with a person's, at the size of the latter.

    Args:
        mask: uint8 array of shape (h, w), at any resolution.
        right: uint8 array of the photo's size.
    """
    mask = resize(mask, (right.shape[1], right.shape[0]))
    return float(iou(mask > 127, right > 127))


def _row(claim: Claim, found: MaskQuality | None, reviewed: bool, now: float) -> Measurement:
    return Measurement(
        upload_id=claim.id,
        model=claim.model,
        cluster=claim.route,
        figures=json.dumps({} if found is None else figures_of(found)),
        suspicion=0.0 if found is None else found.suspicion,
        reviewed=int(reviewed),
        at=now,
    )
