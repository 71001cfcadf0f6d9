"""UploadList: what the database holds on uploads; nothing is changed by it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from bgremoval_mm.pipeline.database import open_database
from bgremoval_mm.pipeline.states import OPEN, State
from bgremoval_mm.pipeline.tables import Change, Upload

__all__ = ['IS_PAST', 'UploadList']

_Later = aliased(Upload)
#: Whether there is a later version of the photo.
IS_PAST = exists().where(_Later.name == Upload.name, _Later.version > Upload.version)


class UploadList:
    """Uploads in a database, to be read.

    Args:
        url: Address of the database, see `open_database`.
        clock: Returns the seconds since the epoch.

    Raises:
        ArgumentError: If `url` is not one.
        DatabaseError: If the database cannot be opened.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self.engine = open_database(url)
        self.clock = clock

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def counts(self) -> dict[State, int]:
        """Return how many uploads stand where, of every state."""
        with Session(self.engine) as session:
            rows = session.execute(select(Upload.state, func.count()).group_by(Upload.state)).all()
        found = {State(state): int(number) for state, number in rows}
        return {state: found.get(state, 0) for state in State}

    def uploads(self, state: State | None = None) -> list[Upload]:
        """Return the uploads, or those of one state, in order of arrival."""
        wanted = select(Upload).order_by(Upload.id)
        if state is not None:
            wanted = wanted.where(Upload.state == state)
        with Session(self.engine, expire_on_commit=False) as session:
            return list(session.scalars(wanted))

    def in_review(self) -> list[Upload]:
        """Return what waits in review and is the newest version of its photo."""
        wanted = select(Upload).where(Upload.state == State.REVIEW, ~IS_PAST).order_by(Upload.id)
        with Session(self.engine, expire_on_commit=False) as session:
            return list(session.scalars(wanted))

    def upload(self, number: int) -> Upload | None:
        """Return the upload of a number, or None."""
        with Session(self.engine, expire_on_commit=False) as session:
            return session.get(Upload, number)

    def newest(self, name: str) -> Upload | None:
        """Return the newest version of a photo, or None."""
        wanted = select(Upload).where(Upload.name == name).order_by(Upload.version.desc()).limit(1)
        with Session(self.engine, expire_on_commit=False) as session:
            return session.scalar(wanted)

    def history(self, upload: int) -> list[Change]:
        """Return the changes of an upload, the first one first."""
        wanted = select(Change).where(Change.upload_id == upload).order_by(Change.id)
        with Session(self.engine, expire_on_commit=False) as session:
            return list(session.scalars(wanted))

    def next_due(self) -> float | None:
        """Return in how many seconds an upload is due; None if none is left to be worked on."""
        due = func.min(
            func.greatest(Upload.not_before, Upload.claimed_until)
            if self.engine.dialect.name == 'postgresql'
            else func.max(Upload.not_before, Upload.claimed_until)
        )
        with Session(self.engine) as session:
            found = session.scalar(select(due).where(Upload.state.in_(OPEN)))
        return None if found is None else max(0.0, found - self.clock())
