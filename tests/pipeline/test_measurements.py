"""What is recorded of masks and verdicts, together with the change of state."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from sqlalchemy.orm import Session

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.measurements import agreement, figures_of
from bgremoval_mm.pipeline.queue import ClaimLostError, UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, Routes
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Measurement, Upload
from bgremoval_mm.pipeline.verdicts import accept, reject
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.masks.quality import quality


@pytest.fixture
def worker(database: str, tmp_path: Path, tiny_file: Path) -> Iterator[Worker]:
    """A worker whose route `all` sends every mask to review, and `shop/*` none."""
    queue = UploadQueue(database)
    remover = BackgroundRemover(tiny_file, backend='onnxruntime', device='cpu', num_threads=1)
    routes = Routes(
        (
            Route('shop', ('shop/*',), str(tiny_file), gate=Gate(suspicion=100, flags=())),
            Route('all', model=str(tiny_file), gate=Gate(suspicion=0)),
        )
    )
    yield Worker(queue, PipelineFiles(tmp_path / 'root'), routes, lambda _: remover)
    queue.close()


def receive(worker: Worker, *names: str) -> None:
    """Work on a photo of each name, a bright square on black."""
    for number, name in enumerate(names):
        pixels = np.zeros((24, 32, 3), np.uint8)
        pixels[4:16, 4 + number : 20] = 220
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, 'PNG')
        receive_bytes(worker.queue, worker.files, name, buffer.getvalue(), 'tests')
    worker.run(until_done=True)


def rows(queue: UploadQueue) -> dict[str, list[Measurement]]:
    """The measurements by the name of their photo, in order."""
    found: dict[str, list[Measurement]] = {}
    with Session(queue.engine, expire_on_commit=False) as session:
        wanted = sa.select(Upload.name, Measurement).join(
            Measurement, Measurement.upload_id == Upload.id
        )
        for name, row in session.execute(wanted.order_by(Measurement.id)):
            found.setdefault(name, []).append(row)
    return found


def test_figures_and_verdicts(worker: Worker, tmp_path: Path) -> None:
    """Each mask has its figures, and each verdict the IoU with what the person published."""
    receive(worker, 'shop/a.png', 'b.png', 'c.png', 'd.png', 'e.png')
    right = np.zeros((24, 32), np.uint8)
    right[4:16, 6:26] = 255
    Image.fromarray(right).save(tmp_path / 'right.png')
    accept(worker.queue, worker.files, worker.routes, 'b.png')
    accept(worker.queue, worker.files, worker.routes, 'c.png', tmp_path / 'right.png')
    reject(worker.queue, 'd.png', 'blurred')
    found = {name: row for name, (row,) in rows(worker.queue).items()}

    assert {name: (row.cluster, row.reviewed) for name, row in found.items()} == {
        'shop/a.png': ('shop', 0),
        **dict.fromkeys(('b.png', 'c.png', 'd.png', 'e.png'), ('all', 1)),
    }
    for upload in worker.queue.uploads():
        row, name = found[upload.name], found['b.png'].model
        figures = quality(worker.files.mask(upload.sha256, name))
        assert json.loads(row.figures) == figures_of(figures)
        assert (row.model, row.suspicion) == (name, figures.suspicion)
        assert upload.received <= row.at <= upload.changed
    assert {name: row.verdict for name, row in found.items()} == {
        'shop/a.png': '',
        'b.png': 'accepted',
        'c.png': 'corrected',
        'd.png': 'rejected',
        'e.png': '',
    }
    mask = worker.files.mask(worker.queue.uploads()[2].sha256, found['b.png'].model)
    expected = agreement(mask, right)
    assert 0.3 < expected < 0.9
    assert [found[name].iou for name in sorted(found)] == [1.0, expected, None, None, None]
    assert found['e.png'].judged == 0 < found['d.png'].judged


def test_a_further_try_has_a_row_of_its_own(worker: Worker) -> None:
    """What was said of the first mask stays; a verdict is on the newest one."""
    receive(worker, 'a.png')
    reject(worker.queue, 'a.png')
    worker.queue.retry()
    worker.run(until_done=True)
    accept(worker.queue, worker.files, worker.routes, 'a.png')
    assert [row.verdict for row in rows(worker.queue)['a.png']] == ['rejected', 'accepted']


def test_nothing_is_recorded_without_the_change(worker: Worker) -> None:
    """A step that is refused leaves no row, and neither does one whose row cannot be written."""
    receive(worker, 'a.png')
    claim = worker.queue.claim_review('a.png')
    assert claim is not None

    def fail(session: Session, now: float) -> None:
        session.add(Measurement(upload_id=claim.id, model='x', cluster='x', figures='{}',
                                suspicion=0.0, reviewed=1, at=now))  # fmt: skip
        session.flush()
        msg = 'disk is full'
        raise OSError(msg)

    with pytest.raises(OSError, match='disk is full'):
        worker.queue.advance(claim, State.FAILED, 'rejected', record=fail)
    worker.queue.release(claim)
    with pytest.raises(ClaimLostError):
        worker.queue.advance(claim, State.FAILED, 'rejected', record=fail)
    assert [row.model != 'x' for row in rows(worker.queue)['a.png']] == [True]
    assert worker.queue.uploads()[0].state == State.REVIEW


def test_a_verdict_on_a_mask_that_was_not_measured(worker: Worker) -> None:
    """Uploads that an earlier version left in review get their row with the verdict."""
    receive(worker, 'a.png')
    with Session(worker.queue.engine) as session, session.begin():
        session.execute(sa.delete(Measurement))
    accept(worker.queue, worker.files, worker.routes, 'a.png')
    ((row,),) = rows(worker.queue).values()
    assert (row.verdict, row.iou, row.figures, row.cluster) == ('accepted', 1.0, '{}', 'all')


@pytest.mark.parametrize(
    ('mask', 'right', 'expected'),
    [([[255, 0]], [[255, 255, 0, 0]], 1.0), ([[255, 255]], [[255, 0, 0, 0]], 0.25)],
)
def test_agreement_is_at_the_photos_size(
    mask: list[list[int]], right: list[list[int]], expected: float
) -> None:
    """The network's mask is made as large as the person's first."""
    got = agreement(np.array(mask, np.uint8), np.array(right * 2, np.uint8))
    assert got == expected
