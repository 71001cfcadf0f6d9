"""Changes of the mean in both databases: recorded once, sent by one process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from bgremoval_mm.monitoring import alarms
from bgremoval_mm.monitoring.series import read_watched
from bgremoval_mm.monitoring.shifts import Found
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.tables import Measurement, Upload

NOW = 1.8e9


def test_two_at_once(database: str) -> None:
    """Of processes that find one drop, one records it, and one sends it; a rise is not sent."""
    queue = UploadQueue(database)
    drop = Found('shoes', 'u2net', 2950, 2945, 0.95, 0.92, 1e-7)
    rise = Found('shoes', 'u2net', 2960, 2955, 0.92, 0.95, 1e-7)
    with ThreadPoolExecutor(4) as pool:
        first = list(pool.map(lambda _: alarms.record(queue.engine, drop, NOW), range(4)))
    assert sorted(first) == [False, False, False, True]
    assert alarms.record(queue.engine, rise, NOW)
    assert alarms.last_known(queue.engine) == {('shoes', 'u2net'): 2960}
    claims = [alarms._claim(queue.engine, NOW) for _ in range(2)]
    assert [claim is not None for claim in claims] == [True, False]
    again = alarms._claim(queue.engine, NOW + 200)  # the process that had it was killed
    assert again is not None
    assert (again.cluster, again.after) == ('shoes', pytest.approx(0.92))
    queue.close()


def test_what_is_read(database: str) -> None:
    """Old masks are read if a person judged them, and figures of late ones only."""
    queue = UploadQueue(database)
    common = {'upload_id': 1, 'model': 'm', 'figures': '{"x": 0.5}', 'suspicion': 0.0}
    with queue.engine.begin() as connection:
        connection.execute(
            sa.insert(Upload),
            [{'name': 'a', 'version': 1, 'sha256': '0' * 64, 'received': 0.0, 'changed': 0.0}],
        )
        for cluster, at, iou in (('old', 10, None), ('judged', 20, 0.9), ('new', 300, None)):
            row = {'cluster': cluster, 'reviewed': 1, 'at': at, 'iou': iou}
            row |= {'judged': 25.0, 'verdict': 'corrected'} if iou else {}
            connection.execute(sa.insert(Measurement), [common | row])
    found = {each.cluster: each for each in read_watched(queue.engine, 100, 200).masks}
    queue.close()
    assert {name: each.figures for name, each in found.items()} == {'judged': {}, 'new': {'x': 0.5}}
    assert (found['judged'].iou, found['judged'].judged, found['new'].iou) == (0.9, 25.0, None)
