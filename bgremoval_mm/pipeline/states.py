"""The states of an upload, and which follows which."""

from __future__ import annotations

from enum import StrEnum

__all__ = ['FINAL', 'NEXT', 'OPEN', 'State']


class State(StrEnum):
    """Where an upload stands.

    Attributes:
        RECEIVED: Its bytes are stored.
        TYPED: Its route, and with it the product type, is known.
        REMOVED: Its mask is stored.
        PUBLISHED: Its result stands in the folder of published results.
        REVIEW: Its mask waits for a person.
        FAILED: It cannot be read, or every try has failed.
        SUPERSEDED: A later version of the photo has come, and this one was not published.
    """

    RECEIVED = 'received'
    TYPED = 'typed'
    REMOVED = 'removed'
    PUBLISHED = 'published'
    REVIEW = 'review'
    FAILED = 'failed'
    SUPERSEDED = 'superseded'


_ENDS = {State.FAILED, State.SUPERSEDED}
# FAILED goes back to RECEIVED when somebody asks for another try.
NEXT: dict[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.TYPED, *_ENDS}),
    State.TYPED: frozenset({State.REMOVED, *_ENDS}),
    State.REMOVED: frozenset({State.PUBLISHED, State.REVIEW, *_ENDS}),
    State.REVIEW: frozenset({State.PUBLISHED, *_ENDS}),
    State.PUBLISHED: frozenset(),
    State.FAILED: frozenset({State.RECEIVED, State.SUPERSEDED}),
    State.SUPERSEDED: frozenset(),
}
OPEN = (State.RECEIVED, State.TYPED, State.REMOVED)
FINAL = tuple(state for state in State if state not in OPEN)
