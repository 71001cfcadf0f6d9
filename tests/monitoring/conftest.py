"""Databases of measurements and verdicts as months of work leave them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert

from bgremoval_mm.monitoring.shifts import WEEK
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.tables import Measurement, Upload

# IoU of u2net's masks of Clothing Co-Parsing with the annotations: the 1st, 3rd, ... 99th
# percentile of the fifth with the highest suspicion, 152 of 758 photos; from 0.965 on a mask counts
# as accepted. Mean 0.926, standard deviation 0.095.
REVIEWED = np.array(
    [
        *(0.543, 0.635, 0.696, 0.764, 0.807, 0.826, 0.848, 0.863, 0.876, 0.883, 0.903, 0.907),
        *(0.911, 0.922, 0.925, 0.932, 0.934, 0.937, 0.940, 0.942, 0.945, 0.947, 0.948, 0.949),
        *(0.951, 0.953, 0.954, 0.954, 0.955, 0.957, 0.958, 0.960, 0.963, 0.963, 0.964, 0.965),
        *([1.0] * 14),
    ]
)
CLUSTERS = ('bags', 'coats', 'dresses', 'shoes', 'white')
FIRST_WEEK = 2900  # of July 2025


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folder of a pipeline."""
    return PipelineFiles(tmp_path / 'root').root


@pytest.fixture
def queue(root: Path) -> Iterator[UploadQueue]:
    """Its queue, empty."""
    made = UploadQueue(f'sqlite:///{root}/pipeline.db')
    yield made
    made.close()


@pytest.fixture
def fill(queue: UploadQueue) -> Callable[..., None]:
    """A function that writes weeks of verdicts, the IoU of one cluster lowered from a week on."""

    def fill(
        weeks: int, a_week: int = 46, drop: float = 0.0, since: int = 0, cluster: str = 'shoes'
    ) -> None:
        rng = np.random.default_rng(0)
        rows = []
        for name in CLUSTERS:
            at = np.sort(rng.uniform(0, weeks, weeks * a_week))
            ious = rng.choice(REVIEWED, at.size)
            if name == cluster:
                ious = np.where(at >= since, np.clip(ious - drop, 0, 1), ious)
            for when, iou in zip(at, ious, strict=True):
                seconds = (FIRST_WEEK + when) * WEEK
                rows.append(
                    {
                        'upload_id': 1,
                        'model': 'u2net',
                        'cluster': name,
                        'figures': json.dumps({'foreground': float(iou) / 3}),
                        'suspicion': 0.5,
                        'reviewed': 1,
                        'at': seconds,
                        'verdict': 'accepted' if iou == 1 else 'corrected',
                        'iou': float(iou),
                        'judged': seconds,
                    }
                )
        with queue.engine.begin() as connection:
            connection.execute(
                insert(Upload),
                [{'name': 'a', 'version': 1, 'sha256': '0' * 64, 'received': 0.0, 'changed': 0.0}],
            )
            connection.execute(insert(Measurement), rows)

    return fill
