"""UploadQueue: which uploads there are, who works on which, and how each ended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bgremoval_mm.pipeline.claims import Claim, ClaimLostError, claim_of
from bgremoval_mm.pipeline.states import NEXT, OPEN, State
from bgremoval_mm.pipeline.tables import Change, Upload
from bgremoval_mm.pipeline.upload_list import IS_PAST, UploadList

__all__ = ['Claim', 'ClaimLostError', 'UploadQueue']

_LEFT = (State.REVIEW, State.FAILED)  # where an upload stays until somebody comes


class UploadQueue(UploadList):
    """Uploads in a database that any number of workers share: who works on which, and its steps.

    A worker claims an upload for some seconds. If it is killed, its claim ends and another worker
    resumes after the last step that was recorded; if it was only slow, its next change is refused
    (`ClaimLostError`), so that no step is recorded twice.

    Args:
        url: Address of the database, see `open_database`.
        lease: Seconds that a claim lasts. A step must be shorter.
        most_tries: Tries of one step, of which the last one's failure is final. A worker that dies
            on a step has tried it, too.
        clock: Returns the seconds since the epoch. All workers' clocks should agree within a
            fraction of `lease`.

    Raises:
        ArgumentError: If `url` is not one.
        DatabaseError: If the database cannot be opened.
    """

    def __init__(
        self,
        url: str,
        lease: float = 300,
        most_tries: int = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(url, clock)
        self.lease = lease
        self.most_tries = most_tries

    @property
    def is_exclusive(self) -> bool:
        """Whether a step that is being recorded keeps all other workers waiting, as in SQLite."""
        return self.engine.dialect.name == 'sqlite'

    def receive(self, name: str, sha256: str, source: str) -> tuple[int, bool]:
        """Record an upload, unless the newest version of that name has the same bytes.

        Args:
            name: Path of the photo as its source names it.
            sha256: Hash of its bytes.
            source: Where it came from, for the record.

        Returns:
            Its number, and whether it is new.
        """
        while True:
            try:
                return self._receive(name, sha256, source)
            except IntegrityError:  # another process has just recorded this version
                continue

    def claim(self) -> Claim | None:
        """Take the next upload that is due; None if there is none at present."""
        while True:
            with Session(self.engine) as session, session.begin():
                now = self.clock()
                found = session.scalar(
                    select(Upload)
                    .where(
                        Upload.state.in_(OPEN),
                        Upload.not_before <= now,
                        Upload.claimed_until <= now,
                    )
                    .order_by(Upload.id)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                )
                if found is None:
                    return None
                if found.tries >= self.most_tries:
                    # Errors are recorded as they occur: these tries ended without one.
                    reason = f'the worker has ended {found.tries} times without a word on this step'
                    self._fail(session, found, reason)
                    continue
                return self._take(found)

    def claim_review(self, name: str, version: int | None = None, token: str = '') -> Claim | None:
        """Take the newest version of a photo if it waits in review and nobody else has it.

        Args:
            name: Of the photo.
            version: Which one must be the newest; None allows any.
            token: Of a claim that was made before: if it still holds, it is renewed, also if a
                later version has come.
        """
        with Session(self.engine) as session, session.begin():
            versions = self._lock(session, name)
            held = [each for each in versions if token and each.claim == token]
            found = next(iter(held or versions[-1:]), None)
            if found is None or found.state != State.REVIEW:
                return None
            if version not in (None, found.version):
                return None
            if not held and found.claimed_until > self.clock():
                return None
            return self._take(found, token)

    def advance(
        self,
        claim: Claim,
        state: State,
        reason: str,
        publish: Callable[[], Any] | None = None,
        record: Callable[[Session, float], None] | None = None,
        **values: str,
    ) -> Claim:
        """Record a step that is done; keep the claim unless the upload is at its end.

        Args:
            claim: Which upload.
            state: Where it stands now.
            reason: Why, in words.
            publish: Called within the transaction, once the claim is known to hold and this is
                known to be the newest version of the photo. If it fails, nothing is recorded.
                Others wait meanwhile: it should take little time.
            record: Called with the session and the time, to write rows along with the change.
            values: Further columns, such as ``model``.

        Returns:
            The claim with the new state. It is superseded instead if a later version has come.

        Raises:
            ClaimLostError: If another worker has taken it over.
        """
        with Session(self.engine) as session, session.begin():
            # All versions are locked before this one: two workers cannot wait for each other.
            ends = publish is not None or state in {State.REVIEW, State.FAILED}
            versions = self._lock(session, claim.name) if ends else []
            found = self._held(session, claim)
            if versions and versions[-1].version > claim.version:
                state, values = State.SUPERSEDED, {}
                reason = f'version {versions[-1].version} has come'
            elif publish is not None:
                publish()
            for name, value in values.items():
                setattr(found, name, value)
            if record is not None:
                record(session, self.clock())
            self._change(session, found, state, reason)
            return claim_of(found, claim.token)

    def fail(self, claim: Claim, reason: str, final: bool = False) -> State:
        """Record that a step has failed: it is tried again later, or was tried often enough.

        In that case it is superseded instead if a later version has come.

        Args:
            claim: Which upload.
            reason: What went wrong.
            final: Whether another try would fail in the same way.

        Raises:
            ClaimLostError: If another worker has taken it over.
        """
        with Session(self.engine) as session, session.begin():
            found = self._held(session, claim)
            if final or found.tries >= self.most_tries:
                tried = '' if final else f', tried {found.tries} times'
                return self._fail(session, found, f'{reason}{tried}')
            now = self.clock()
            found.not_before = now + _back_off(found.tries)
            found.claim, found.claimed_until = '', 0.0
            state = State(found.state)
            session.add(_entry(found, state, f'try {found.tries} failed: {reason}', now))
            return state

    def release(self, claim: Claim) -> None:
        """Give an upload back whose step was not done, as when the worker is asked to stop."""
        with Session(self.engine) as session, session.begin():
            found = self._held_or_none(session, claim)
            if found is None:
                return
            found.claim, found.claimed_until, found.tries = '', 0.0, found.tries - 1
            newest = self._newest_version(session, found)
            if found.state == State.REVIEW and newest > found.version:
                self._supersede(session, found, newest)

    def supersede_left(self) -> int:
        """Supersede what is past and was left in review without a word; return how many that are.

        When a later version comes, whoever is deciding on the former one may go on; if they never
        decide, it would stay in review.
        """
        wanted = select(Upload).where(Upload.state == State.REVIEW, IS_PAST).order_by(Upload.id)
        with Session(self.engine) as session, session.begin():
            left = session.scalars(
                wanted.where(Upload.claimed_until <= self.clock()).with_for_update(skip_locked=True)
            ).all()
            for found in left:
                self._supersede(session, found, self._newest_version(session, found))
            return len(left)

    def retry(self) -> int:
        """Try again all that has failed; return how many that are.

        Versions that are past are superseded: early versions of this package left them failed.
        """
        with Session(self.engine) as session, session.begin():
            failed = session.scalars(
                select(Upload)
                .where(Upload.state == State.FAILED)
                .order_by(Upload.id)
                .with_for_update()
            ).all()
            tried = 0
            for found in failed:
                newest = self._newest_version(session, found)
                if newest > found.version:
                    self._supersede(session, found, newest)
                else:
                    self._change(session, found, State.RECEIVED, 'another try was asked for')
                    tried += 1
            return tried

    def _receive(self, name: str, sha256: str, source: str) -> tuple[int, bool]:
        with Session(self.engine) as session, session.begin():
            versions = self._lock(session, name)
            if versions and versions[-1].sha256 == sha256:
                return versions[-1].id, False
            now = self.clock()
            version = versions[-1].version + 1 if versions else 1
            # Nobody need look at former versions any more. Whoever is deciding on one just now
            # learns of this one when they have decided.
            for former in versions:
                if former.state in _LEFT and former.claimed_until <= now:
                    self._supersede(session, former, version)
            made = Upload(name=name, version=version, sha256=sha256, received=now, changed=now)
            session.add(made)
            session.flush()
            session.add(
                Change(
                    upload_id=made.id,
                    before='',
                    after=State.RECEIVED,
                    reason=f'from {source}',
                    at=now,
                )
            )
            return made.id, True

    def _fail(self, session: Session, found: Upload, reason: str) -> State:
        """Record the failure of an upload whose row is locked, unless it is past anyway."""
        newest = self._newest_version(session, found)
        if newest > found.version:
            return self._supersede(session, found, newest, f'; {reason}')
        return self._change(session, found, State.FAILED, reason)

    def _supersede(self, session: Session, found: Upload, newest: int, more: str = '') -> State:
        return self._change(session, found, State.SUPERSEDED, f'version {newest} has come{more}')

    def _newest_version(self, session: Session, found: Upload) -> int:
        # As the row is locked, no later version can be recorded meanwhile.
        wanted = select(func.max(Upload.version)).where(Upload.name == found.name)
        return session.scalar(wanted) or 0

    def _lock(self, session: Session, name: str) -> list[Upload]:
        """Lock all versions of a photo, so that none is recorded meanwhile; return them in order.

        PostgreSQL's statements see what was committed before they began: a version that another
        worker recorded while the first one waited is seen by the second one only.
        """
        wanted = select(Upload).where(Upload.name == name).order_by(Upload.version)
        session.execute(wanted.with_for_update())
        return list(session.scalars(wanted.with_for_update()))

    def _take(self, found: Upload, token: str = '') -> Claim:
        """Claim an upload, or renew the claim of this token."""
        if not token or found.claim != token:
            found.tries += 1
            found.claim = secrets.token_hex(16)
        found.claimed_until = self.clock() + self.lease
        return claim_of(found)

    def _held_or_none(self, session: Session, claim: Claim) -> Upload | None:
        return session.scalar(
            select(Upload)
            .where(Upload.id == claim.id, Upload.claim == claim.token)
            .with_for_update()
        )

    def _held(self, session: Session, claim: Claim) -> Upload:
        found = self._held_or_none(session, claim)
        if found is None:
            msg = f'{claim.name}, version {claim.version}, was taken over by another worker'
            raise ClaimLostError(msg)
        return found

    def _change(self, session: Session, found: Upload, state: State, reason: str) -> State:
        before = State(found.state)
        if state not in NEXT[before]:
            msg = f'{before} cannot become {state}'
            raise AssertionError(msg)
        now = self.clock()
        found.state, found.changed = state, now
        if state != State.REVIEW:
            found.reasons = ''  # they are the gate's, and were of the state before
        found.tries, found.not_before = 0, 0.0
        if state in OPEN and found.claim:
            found.claimed_until = now + self.lease
            found.tries = 1  # the worker that holds it begins the next step at once
        else:
            found.claim, found.claimed_until = '', 0.0
        session.add(_entry(found, before, reason, now))
        return state


def _back_off(tries: int) -> float:
    """Return the seconds before the next try: 2, 8, 32, ... at most ten minutes."""
    return min(600.0, 2.0 * 4.0 ** (tries - 1))


def _entry(found: Upload, before: State, reason: str, at: float) -> Change:
    return Change(upload_id=found.id, before=before, after=State(found.state), reason=reason, at=at)
