"""Made-up folders of runs: results, per-image results and logs of known numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bgremoval_mm.evaluation.metrics.per_image import write_per_image
from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.runner.runs import Run, select_runs

CLASSES = ('dress', 'hat', 'pants')
LABELS = np.arange(60) % 3


@pytest.fixture
def make_result(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes the folder of a finished run."""

    def make(
        run: Run,
        metrics: dict[str, float],
        options: Sequence[str] = (),
        root: Path = tmp_path / 'root',
        **more: Any,
    ) -> Path:
        folder = root / run.name
        log = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
        log.parent.mkdir(parents=True)
        key = next(iter(metrics))
        lines = []
        for epoch in (1, 2, 3):
            lines += [
                {'loss': 3 / epoch + i / 10, 'iter': 2 * epoch + i, 'epoch': epoch, 'step': 9}
                for i in range(2)
            ]
            lines.append({key: metrics[key] * epoch / 3, 'step': epoch})
        log.write_text(''.join(json.dumps(line) + '\n' for line in lines))
        content = {
            'schema': 1,
            'experiment': run.describe(),
            'options': list(options),
            'starts': ['2026-01-01T00:00:00+00:00'],
            'metrics': metrics,
            'checkpoint': 'epoch_3.pth',
            'images': 60,
            'finished': '2026-01-01T01:00:00+00:00',
            'commit': '0123456789',
            'device': 'a made-up machine',
            **more,
        }
        (folder / 'result.json').write_text(json.dumps(content))
        return folder

    return make


@pytest.fixture
def make_classification(make_result: Callable[..., Path]) -> Callable[..., Path]:
    """A function that writes a classification run with a number of images right."""

    def make(run: Run, right: int, seed: int = 0, **more: Any) -> Path:
        random = np.random.default_rng((seed, right, run.seed))
        predictions = (LABELS + 1) % 3
        chosen = random.permutation(60)[:right]
        predictions[chosen] = LABELS[chosen]
        metrics = {'accuracy/top1': float((predictions == LABELS).mean() * 100)}
        for number, name in enumerate(CLASSES):
            mine = number == LABELS
            metrics[f'accuracy/class/{name}'] = float(
                (predictions[mine] == LABELS[mine]).mean() * 100
            )
        folder = make_result(run, metrics, **more)
        write_per_image(
            folder / 'evidence.npz',
            names=np.array([f'test/{i:02}.jpg' for i in range(60)]),
            labels=LABELS.astype(np.int16),
            predictions=predictions.astype(np.int16),
            classes=np.array(CLASSES),
        )
        return folder

    return make


@pytest.fixture
def make_pairs(make_classification: Callable[..., Path]) -> Callable[..., None]:
    """A function that writes original and removed run of a network for each seed.

    `right` gives, for each seed, how many of 60 images the original and the removed run get right.
    """

    def make(
        model: str, right: Sequence[tuple[int, int]], item: str = 'Fig. 5', **more: Any
    ) -> None:
        for seed, pair in enumerate(right):
            runs = select_runs(WORK, [item], ['clothing10'], [model], seeds=[seed])
            for run, count in zip(runs, pair, strict=True):
                make_classification(run, count, **more)

    return make
