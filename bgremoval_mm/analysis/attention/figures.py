"""Figures of attention scores: means, intervals, paired differences, and a table of all photos."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from bgremoval_mm.engine.attention import PhotoAttention, summarise
from bgremoval_mm.evaluation.statistics import Estimate, seed_interval
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = ['as_csv', 'check_same_photos', 'compare', 'summary_of']

_COLUMNS = ('foreground', 'attention', 'score')


def summary_of(scores: Sequence[float]) -> dict[str, float | None]:
    """Return mean, standard deviation and Student's t interval of the mean over photos.

    Args:
        scores: NaN where undefined.

    Returns:
        What ``engine.attention.summarise`` returns, with None for NaN, and ``low`` and
        ``high``, the ends of the 95 % interval; None with fewer than two defined scores.
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
    check_same_photos([photo.file for photo in before], [photo.file for photo in after])
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


def check_same_photos(files: Sequence[str], others: Sequence[str]) -> None:
    """Check that two models are measured on the same photos, in the same order.

    Raises:
        ArgumentError: If they are not.
    """
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
    compared = [f'after_{name}' for name in _COLUMNS] if after else []
    writer.writerow(['file', 'label', *_COLUMNS, *compared])
    for row, photo in enumerate(before):
        numbers = [getattr(photo, name) for name in _COLUMNS]
        numbers += [getattr(after[row], name) for name in _COLUMNS] if after else []
        label = '' if photo.label is None else photo.label
        shown = ['' if np.isnan(number) else f'{number:.6f}' for number in numbers]
        writer.writerow([printable(photo.file), label, *shown])
    return buffer.getvalue()
