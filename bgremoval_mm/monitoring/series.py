"""Watched: what the pipeline has recorded of masks and of verdicts on them, read at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine, case, or_, select
from sqlalchemy.orm import Session

from bgremoval_mm.monitoring.shifts import WEEK, Key, Series
from bgremoval_mm.pipeline.tables import Measurement

__all__ = ['DAY', 'Mask', 'Watched', 'read_watched']

DAY = 86400.0


@dataclass(frozen=True)
class Mask:
    """A mask that was measured; see `Measurement`."""

    cluster: str
    model: str
    figures: dict[str, float]
    reviewed: bool
    at: float
    verdict: str
    iou: float | None
    judged: float

    @property
    def key(self) -> Key:
        """Cluster and model."""
        return self.cluster, self.model


@dataclass(frozen=True)
class Watched:
    """All masks.

    Attributes:
        masks: In the order in which they were measured.
    """

    masks: list[Mask]

    def keys(self) -> list[Key]:
        """Return clusters with their models; of a cluster, the model first that came first."""
        seen = dict.fromkeys(each.key for each in self.masks)
        return sorted(seen, key=lambda key: key[0])

    def verdicts(self, key: Key) -> Iterator[Mask]:
        """Return the masks that a person accepted or corrected, in the order of the verdicts."""
        found = [each for each in self.masks if each.key == key and each.iou is not None]
        return iter(sorted(found, key=lambda each: each.judged))

    def series(self) -> dict[Key, Series]:
        """Return the IoU of all verdicts, by cluster and model."""
        made = {}
        for key in self.keys():
            found = list(self.verdicts(key))
            weeks = np.array([int(each.judged // WEEK) for each in found], int)
            made[key] = Series(weeks, np.array([each.iou for each in found], float))
        return made


def read_watched(engine: Engine, since: float = 0.0, figures_since: float = 0.0) -> Watched:
    """Read the measurements of a pipeline's database.

    Args:
        engine: The database.
        since: Masks that were made before this are left out, unless a person has judged them;
            seconds since the epoch.
        figures_since: Figures of masks that were made before this are left out.
    """
    table = Measurement
    columns = (
        table.cluster,
        table.model,
        case((table.at > figures_since, table.figures), else_='{}'),
        table.reviewed,
        table.at,
        table.verdict,
        table.iou,
        table.judged,
    )
    wanted = select(*columns).where(or_(table.at > since, table.judged > 0))
    with Session(engine) as session:
        rows = session.execute(wanted.order_by(table.at, table.id))
        return Watched(
            [
                Mask(cluster, model, json.loads(figures), bool(reviewed), *rest)
                for cluster, model, figures, reviewed, *rest in rows
            ]
        )
