"""Which photos have masks that people have corrected: what there is to train on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Engine, and_, func, or_, select
from sqlalchemy.orm import Session

from bgremoval_mm.pipeline.measurements import Verdict
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Measurement, Upload
from bgremoval_mm.pipeline.verdicts import PEOPLE

__all__ = ['Correction', 'corrections']


@dataclass(frozen=True)
class Correction:
    """A photo whose mask a person has corrected.

    Attributes:
        sha256: Of the photo's file.
        name: Of the upload.
        cluster: Its route's name.
        judged: When it was last corrected, seconds since the epoch.
        version: Of the upload.
    """

    sha256: str
    name: str
    cluster: str
    judged: float
    version: int = 1


def corrections(engine: Engine) -> list[Correction]:
    """Return the photos with corrected masks, each once, in the order of their first correction.

    A corrected mask counts whatever became of its photo: also where a later version came while the
    person worked on it, so that it was not published. The same photo under several names has one
    mask, the one that was made last; its name, version and cluster are those of the upload that was
    corrected first, so that they stay the same whatever comes later.
    """
    said = and_(Measurement.upload_id == Upload.id, Measurement.verdict == Verdict.CORRECTED)
    # Early versions recorded no verdicts, but published the mask.
    published = and_(Upload.state == State.PUBLISHED, Upload.model == PEOPLE)
    at = func.coalesce(Measurement.judged, Upload.changed)
    wanted = (
        select(Upload.sha256, Upload.name, Upload.route, at, Upload.version)
        .outerjoin(Measurement, said)
        .where(or_(Measurement.id.is_not(None), published))
        .order_by(at, Upload.id)
    )
    found: dict[str, Correction] = {}
    with Session(engine) as session:
        for row in session.execute(wanted):
            each = Correction(*row)
            found[each.sha256] = replace(found.get(each.sha256, each), judged=each.judged)
    return list(found.values())
