"""Claim: an upload that a worker, or a person in review, has to itself for a time."""

from __future__ import annotations

from dataclasses import dataclass

from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Upload

__all__ = ['Claim', 'ClaimLostError', 'claim_of']


class ClaimLostError(Exception):
    """Another worker has taken the upload over, because this one's claim had ended."""


@dataclass(frozen=True)
class Claim:
    """An upload that a worker holds.

    Attributes:
        id: Number of the upload.
        token: Which claim this is.
        name: Name of the photo.
        version: Its version.
        sha256: Hash of its bytes.
        state: Where it stands.
        route: Name of its route, once it is typed.
        model: Name of the network that made its mask, once it is removed.
        tries: How often its present step was begun, this time included.
    """

    id: int
    token: str
    name: str
    version: int
    sha256: str
    state: State
    route: str
    model: str
    tries: int


def claim_of(found: Upload, token: str = '') -> Claim:
    """Return the claim on an upload, as its row has it now.

    Args:
        found: The row.
        token: Of the claim, where the row no longer has it, as at the upload's end.
    """
    return Claim(
        found.id,
        token or found.claim,
        found.name,
        found.version,
        found.sha256,
        State(found.state),
        found.route,
        found.model,
        found.tries,
    )
