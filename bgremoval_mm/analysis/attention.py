"""Attention scores of one trained model, or of two on the same photos."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image
from tqdm import tqdm

from bgremoval_mm.engine.attention import (
    AttentionMeter,
    AttentionView,
    PhotoAttention,
    summarise,
)
from bgremoval_mm.evaluation.attention import SmoothGrad
from bgremoval_mm.evaluation.statistics import Estimate, seed_interval
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.json_io import write_json
from bgremoval_mm.utils.text import printable
from bgremoval_mm.visualization.attention_sheet import AttentionTile, draw_attention_sheet
from bgremoval_mm.visualization.canvas import save_png
from bgremoval_mm.visualization.network_input import collate_function
from bgremoval_mm.visualization.predictions import Predictor

__all__ = [
    'AttentionRun',
    'Examples',
    'as_csv',
    'compare',
    'draw_examples',
    'measure_runs',
    'pick_examples',
    'summary_of',
    'write_results',
]

_COLUMNS = ('foreground', 'attention', 'score')


class AttentionRun:
    """A trained model, measured on the test photos of its config.

    Args:
        name: For tables and pictures.
        config: Of mmpretrain.
        checkpoint: Its checkpoint: every key must fit.
        masks: What LoadForegroundMask takes; a value of None is as the config's datasets have it.
        settings: Of SmoothGrad.
        seed: Of the noise.
        device: Where the model runs.

    Raises:
        ArgumentError: See AttentionMeter and Predictor.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        checkpoint: Path,
        masks: Mapping[str, Any],
        settings: SmoothGrad | None = None,
        seed: int = 0,
        device: str = 'cpu',
    ) -> None:
        self.name = name
        predictor = Predictor(config, checkpoint, 'test', device=device)
        self.meter = AttentionMeter(
            predictor.model,
            predictor.dataset,
            collate_function(config.test_dataloader.get('collate_fn')),
            masks,
            (config.get('train_dataloader') or {}).get('dataset'),
            settings,
            seed,
        )
        self.photos: list[PhotoAttention] = []

    def measure(self, chosen: Sequence[int]) -> None:
        """Measure these photos; the results are in ``photos``, in the same order."""
        progress = tqdm(chosen, self.name)
        self.photos = [self.meter.measure(index) for index in progress]

    def view(self, photo: PhotoAttention) -> AttentionView:
        """Return what a photo's figures were computed from; it is computed again."""
        return self.meter.show(photo.index)[1]


def measure_runs(runs: Sequence[AttentionRun], photos: int | None = None) -> None:
    """Measure one or two models on the same photos.

    Args:
        runs: The models.
        photos: How many photos, evenly spaced; None: all.

    Raises:
        ArgumentError: If the test photos of two models are not the same.
        FileNotFoundError: If a mask is missing and must not be computed.
    """
    chosen = [run.meter.choose(photos) for run in runs]  # of each: its masks are looked for
    files = [
        [run.meter.path(index) for index in each] for run, each in zip(runs, chosen, strict=True)
    ]
    for other in files[1:]:
        _check_same(files[0], other)
    for run, each in zip(runs, chosen, strict=True):
        run.measure(each)


def write_results(
    runs: Sequence[AttentionRun], out: Path, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Write ``scores.csv``, ``summary.json`` and ``attention.png``; return the summary.

    Args:
        runs: One or two models, measured.
        out: The folder, which is made if need be.
        about: What was measured, and how.

    Returns:
        ``settings``; ``models``, the name and figures of each; ``difference``, as of
        :func:`compare`, or None. Undefined numbers are None.
    """
    out.mkdir(parents=True, exist_ok=True)
    photos = [run.photos for run in runs]
    models = [
        {'name': run.name, **summary_of([photo.score for photo in run.photos])} for run in runs
    ]
    summary = {
        'settings': dict(about),
        'models': models,
        'difference': compare(*photos) if len(runs) == 2 else None,
    }
    write_json(out / 'summary.json', summary)
    write_atomically(out / 'scores.csv', as_csv(*photos).encode())
    title = ' and '.join(run.name for run in runs)
    sheet = draw_examples(runs, (title, _heading(models)))
    if sheet is not None:
        save_png(sheet, out / 'attention.png')
    return summary


def _heading(models: Sequence[Mapping[str, Any]]) -> str:
    scores = ' / '.join(
        'undefined' if each['score'] is None else f'{each["score"]:.3f}' for each in models
    )
    return f'mean attention score {scores}, {models[0]["photos"]:,} photos'


def summary_of(scores: Sequence[float]) -> dict[str, float | None]:
    """Return mean, standard deviation and Student's t interval of the mean over photos.

    Args:
        scores: NaN where undefined.

    Returns:
        What ``engine.attention.summarise`` returns, with None for NaN, and ``low`` and ``high``, the ends of the 95 %
        interval; None with fewer than two defined scores.
    """
    defined = [score for score in scores if not np.isnan(score)]
    interval = seed_interval(defined) if defined else Estimate(float('nan'), None, None, 0)
    figures = {
        name: None if np.isnan(value) else value for name, value in summarise(scores).items()
    }
    return {**figures, 'low': interval.low, 'high': interval.high}


def compare(before: Sequence[PhotoAttention], after: Sequence[PhotoAttention]) -> dict[str, Any]:
    """Return the mean of the paired differences "after minus before", and its t interval.

    Args:
        before: Photos measured with one model.
        after: The same photos, measured with the other.

    Returns:
        ``difference``, ``low``, ``high``, None where unknown, and ``photos``: those with a score by
        both models.

    Raises:
        ArgumentError: If the photos are not the same.
    """
    _check_same([photo.file for photo in before], [photo.file for photo in after])
    differences = [
        other.score - one.score
        for one, other in zip(before, after, strict=True)
        if not np.isnan(one.score + other.score)
    ]
    if not differences:
        return {'difference': None, 'low': None, 'high': None, 'photos': 0}
    paired = seed_interval(differences)
    return {
        'difference': paired.mean,
        'low': paired.low,
        'high': paired.high,
        'photos': paired.count,
    }


def _check_same(files: Sequence[str], others: Sequence[str]) -> None:
    for one, other in zip(files, others, strict=False):
        if one != other:
            msg = (
                'both models must have the same test photos, but one has '
                f'{printable(one)} where the other has {printable(other)}'
            )
            raise ArgumentError(msg)
    if len(files) != len(others):
        msg = (
            'both models must have the same test photos, but one has '
            f'{len(files)} and the other {len(others)}'
        )
        raise ArgumentError(msg)


def as_csv(before: Sequence[PhotoAttention], after: Sequence[PhotoAttention] = ()) -> str:
    """Return a line per photo; undefined numbers are empty.

    Args:
        before: The photos.
        after: The same photos with a second model, in columns of their own.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator='\n')
    compared = [f'compared_{name}' for name in _COLUMNS] if after else []
    writer.writerow(['file', 'label', *_COLUMNS, *compared])
    for row, photo in enumerate(before):
        numbers = [getattr(photo, name) for name in _COLUMNS]
        numbers += [getattr(after[row], name) for name in _COLUMNS] if after else []
        label = '' if photo.label is None else photo.label
        shown = ['' if np.isnan(number) else f'{number:.6f}' for number in numbers]
        writer.writerow([printable(photo.file), label, *shown])
    return buffer.getvalue()


@dataclass(frozen=True)
class Examples:
    """Places of photos in the list of results.

    Attributes:
        lowest: With the lowest scores, the lowest first.
        median: With scores in the middle.
        highest: With the highest scores, the highest last.
    """

    lowest: list[int]
    median: list[int]
    highest: list[int]


def pick_examples(scores: Sequence[float], number: int = 2) -> Examples:
    """Pick photos with the lowest, median and highest scores; each photo at most once.

    Args:
        scores: NaN where undefined: these are not picked.
        number: How many of each, where there are three times as many.
    """
    ranked = [int(place) for place in np.argsort(scores) if not np.isnan(scores[place])]
    if len(ranked) < 3 * number:
        number = max(1, len(ranked) // 3)
    lowest, rest = ranked[:number], ranked[number:]
    highest, rest = rest[-number:], rest[:-number]
    start = max(0, (len(rest) - number) // 2)
    return Examples(lowest, rest[start : start + number], highest)


def draw_examples(runs: Sequence[AttentionRun], heading: tuple[str, str]) -> Image.Image | None:
    """Draw the photos with the lowest, median and highest scores of the first run.

    Args:
        runs: One or two runs, measured on the same photos.
        heading: Title and the line below it.

    Returns:
        RGB picture; None where no score is defined.
    """
    examples = pick_examples([photo.score for photo in runs[0].photos])
    tiles = []
    for kind in fields(examples):
        for place in getattr(examples, kind.name):
            photos = [run.photos[place] for run in runs]
            views = [run.view(photo) for run, photo in zip(runs, photos, strict=True)]
            tiles.append(
                AttentionTile(photos[0].file, views, [photo.score for photo in photos], kind.name)
            )
    names = ['attention'] if len(runs) == 1 else ['before', 'after']
    return draw_attention_sheet(tiles, names, heading) if tiles else None
