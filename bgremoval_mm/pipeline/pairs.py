"""Pairs to train on: photos of the pipeline, with the masks that people have made for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sqlalchemy import select
from sqlalchemy.orm import Session

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Upload
from bgremoval_mm.pipeline.verdicts import PEOPLE
from bgremoval_mm.utils.atomic import write_atomically

__all__ = ['Corrected', 'corrected', 'export_pairs']


@dataclass(frozen=True)
class Corrected:
    """A photo whose mask a person has corrected.

    Attributes:
        name: Path of the photo, as its source names it.
        sha256: Hash of its bytes.
        route: Its route.
    """

    name: str
    sha256: str
    route: str

    @property
    def stem(self) -> str:
        """Its name among the pairs, without an ending: versions and endings are kept apart."""
        path = PurePosixPath(self.name)
        return str(path.with_name(f'{path.stem}-{self.sha256[:8]}'))


def corrected(queue: UploadQueue) -> Iterator[Corrected]:
    """Yield what was published with a person's mask, in order of arrival."""
    wanted = (
        select(Upload.name, Upload.sha256, Upload.route)
        .where(Upload.state == State.PUBLISHED, Upload.model == PEOPLE)
        .order_by(Upload.id)
    )
    with Session(queue.engine) as session:
        rows = session.execute(wanted).all()
    for name, sha256, route in rows:
        yield Corrected(name, sha256, route)


def export_pairs(queue: UploadQueue, files: PipelineFiles, folder: Path) -> tuple[int, int]:
    """Store photos and corrected masks as `bgremoval pairs check` takes them.

    The photo ``dress/a.jpg`` becomes ``photos/dress/a-HASH.jpg``, its mask
    ``masks/dress/a-HASH.png``. What is there already stays.

    Args:
        queue: The uploads.
        files: Their files.
        folder: Where to store them.

    Returns:
        How many pairs there are, and how many of them are new.
    """
    total = new = 0
    for each in corrected(queue):
        photo = folder / 'photos' / f'{each.stem}{PurePosixPath(each.name).suffix}'
        mask = folder / 'masks' / f'{each.stem}.png'
        total += 1
        if photo.is_file() and mask.is_file():
            continue
        for path, content in (
            (mask, files.mask_file(each.sha256, PEOPLE)),
            (photo, files.photo(each.sha256)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        new += 1
    return total, new
