"""The files of a measurement: all figures, and a picture of examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bgremoval_mm.analysis.attention.figures import as_csv, compare, summary_of
from bgremoval_mm.analysis.attention.measure import AttentionRun
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.json_io import write_json
from bgremoval_mm.visualization.attention_sheet import AttentionTile, draw_attention_sheet
from bgremoval_mm.visualization.canvas import save_png

__all__ = ['Examples', 'draw_examples', 'pick_examples', 'write_results']


def write_results(
    runs: Sequence[AttentionRun], out: Path, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Write ``scores.csv``, ``summary.json`` and ``attention.png``, and return the summary.

    Args:
        runs: One or two models, measured.
        out: The folder, which is made if need be.
        about: What was measured, and how.

    Returns:
        ``settings``; ``models``, the name and figures of each; ``difference``, as of
        ``figures.compare``, or None. Undefined numbers are None.
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
    sheet = draw_examples(runs, ('Attention on the object', _heading(models)))
    if sheet is None:
        (out / 'attention.png').unlink(missing_ok=True)
    else:
        save_png(sheet, out / 'attention.png')
    return summary


def _heading(models: Sequence[Mapping[str, Any]]) -> str:
    scores = [
        f'{each["name"]}: {"undefined" if each["score"] is None else format(each["score"], ".3f")}'
        for each in models
    ]
    return f'{"; ".join(scores)} (mean score of {models[0]["photos"]:,} photos)'


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
