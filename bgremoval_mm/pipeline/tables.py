"""The tables: uploads and their changes, what their masks are like, and shifts of that."""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bgremoval_mm.pipeline.states import State

__all__ = ['Base', 'Change', 'Measurement', 'Shift', 'Upload']


class Base(DeclarativeBase):
    """What `migrations` is compared with."""


class Upload(Base):
    """One version of a photo.

    Attributes:
        id: Number in order of arrival.
        name: Path of the photo as its source names it, with forward slashes.
        version: 1 for the first content that came under this name, 2 for the next one, ...
        sha256: Hash of its bytes, under which they are stored.
        state: Where it stands, of `State`.
        route: Name of its route, empty before it is typed.
        model: Name of the network that made its mask, empty before that.
        reasons: Why it needs a review, joined by ``; ``.
        result: Path of its published result below the folder of results, or its address where the
            route publishes elsewhere; empty before that.
        tries: How often a worker began on its present step.
        not_before: Earliest time of the next try, seconds since the epoch.
        claim: Token of the worker that holds it, empty if none does.
        claimed_until: When that claim ends, unless it is renewed, seconds since the epoch.
        received: When it came, seconds since the epoch.
        changed: When its state last changed, seconds since the epoch.
    """

    __tablename__ = 'uploads'
    __table_args__ = (
        UniqueConstraint('name', 'version', name='uploads_name_version'),
        Index('uploads_state_not_before', 'state', 'not_before'),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default=State.RECEIVED)
    route: Mapped[str] = mapped_column(Text, default='')
    model: Mapped[str] = mapped_column(Text, default='')
    reasons: Mapped[str] = mapped_column(Text, default='')
    result: Mapped[str] = mapped_column(Text, default='')
    tries: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[float] = mapped_column(Float(53), default=0.0)
    claim: Mapped[str] = mapped_column(String(64), default='')
    claimed_until: Mapped[float] = mapped_column(Float(53), default=0.0)
    received: Mapped[float] = mapped_column(Float(53))
    changed: Mapped[float] = mapped_column(Float(53))


class Change(Base):
    """A change of an upload's state, or a try that failed.

    Attributes:
        upload_id: Whose.
        before: State before, empty for its arrival.
        after: State after; the same as before for a try that failed.
        reason: Why, in words.
        at: When, seconds since the epoch.
    """

    __tablename__ = 'changes'
    __table_args__ = (Index('changes_upload_id', 'upload_id'),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    upload_id: Mapped[int] = mapped_column(ForeignKey('uploads.id'))
    before: Mapped[str] = mapped_column(String(16))
    after: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Float(53))


class Measurement(Base):
    """What the mask of an upload is like, and a person's verdict on it.

    An upload that was tried again, by another network, has another row.

    Attributes:
        upload_id: Whose.
        model: Name of the network that made the mask.
        cluster: Kind of photo: the route's name.
        figures: The mask's figures by name, a JSON object of numbers.
        suspicion: How doubtful they make it.
        reviewed: 1 if the gate sent it to review, 0 if it was published without a look.
        at: When it was measured, seconds since the epoch.
        verdict: ``accepted``, ``corrected`` or ``rejected``; empty before a verdict.
        iou: IoU of the mask with the one that the person published, at the photo's size: 1 if the
            mask was accepted as it is. None without a verdict and for a photo that was rejected.
        judged: When the verdict came, seconds since the epoch; 0 before that.
    """

    __tablename__ = 'measurements'
    __table_args__ = (
        Index('measurements_upload_id', 'upload_id'),
        Index('measurements_at', 'at'),
        Index('measurements_judged', 'judged'),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    upload_id: Mapped[int] = mapped_column(ForeignKey('uploads.id'))
    model: Mapped[str] = mapped_column(Text)
    cluster: Mapped[str] = mapped_column(Text)
    figures: Mapped[str] = mapped_column(Text)
    suspicion: Mapped[float] = mapped_column(Float(53))
    reviewed: Mapped[int] = mapped_column(Integer)
    at: Mapped[float] = mapped_column(Float(53))
    verdict: Mapped[str] = mapped_column(String(16), default='')
    iou: Mapped[float | None] = mapped_column(Float(53))
    judged: Mapped[float] = mapped_column(Float(53), default=0.0)


class Shift(Base):
    """A change of the mean IoU that was found in a cluster: an alarm, if it is a drop.

    Attributes:
        cluster: Where.
        model: Name of the network.
        period: Number of the week at whose end it was found, counted from the epoch.
        since: Number of the week from which the mean is another one.
        before: Mean before that.
        after: Mean from then on.
        p_value: Of the test that found it.
        found: When it was recorded, seconds since the epoch.
        sent: When the webhook took it, seconds since the epoch; 0 if it has not.
        sending_until: Until when a process that is sending it has it for itself.
    """

    __tablename__ = 'shifts'
    __table_args__ = (
        UniqueConstraint('cluster', 'model', 'period', name='shifts_cluster_model_period'),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    cluster: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    period: Mapped[int] = mapped_column(Integer)
    since: Mapped[int] = mapped_column(Integer)
    before: Mapped[float] = mapped_column(Float(53))
    after: Mapped[float] = mapped_column(Float(53))
    p_value: Mapped[float] = mapped_column(Float(53))
    found: Mapped[float] = mapped_column(Float(53))
    sent: Mapped[float] = mapped_column(Float(53), default=0.0)
    sending_until: Mapped[float] = mapped_column(Float(53), default=0.0)
