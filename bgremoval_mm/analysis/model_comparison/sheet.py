"""The photos that each model is worst at, with the masks of all models side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.analysis.model_comparison.compare import ModelComparison
from bgremoval_mm.analysis.model_comparison.differences import LOWER_IS_BETTER
from bgremoval_mm.removal import MaskStore, compose
from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.removal.masks.functional import resize
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

__all__ = ['draw_worst', 'worst_photos']

_SIDE = 400
_FILL = (230, 120, 200)  # a pink, which hardly any product has


def worst_photos(comparison: ModelComparison, score: str, number: int) -> dict[int, list[str]]:
    """Return the photos that a model has the worst scores of.

    Args:
        comparison: The comparison.
        score: Name of the score.
        number: Of photos for each model.

    Returns:
        The index of each photo, the worst of the first model first, with what it is, such as
        ``'2nd worst of u2netp'``. One that several models are worst at is there once.
    """
    found: dict[int, list[str]] = {}
    sign = -1 if score in LOWER_IS_BETTER else 1
    for model, scores in zip(comparison.models, comparison.scores, strict=True):
        values = [sign * each.values[score] for each in scores]
        order = np.argsort(values, kind='stable')[:number]
        for rank, index in enumerate(order.tolist(), 1):
            found.setdefault(index, []).append(f'no. {rank} of {model}')
    return found


def draw_worst(comparison: ModelComparison, score: str, number: int = 8) -> Image.Image:
    """Draw the worst photos of each model: photo, mask by people, and each model's result.

    Args:
        comparison: The comparison.
        score: By which they are the worst.
        number: Of photos for each model.
    """
    worst = worst_photos(comparison, score, number)
    tiles = [
        Tile(list(_pictures(comparison, index)), [*_captions(comparison, score, index), *ranks])
        for index, ranks in worst.items()
    ]
    columns = max(1, 10 // (2 + len(comparison.models)))
    return draw_tiles(
        tiles,
        ('photo', 'by people', *comparison.models),
        (
            f'the {number} photos of the lowest {score} of each model'
            if score not in LOWER_IS_BETTER
            else f'the {number} photos of the highest {score} of each model',
            f'{len(comparison.pairs):,} photos were compared; results on pink',
        ),
        columns=columns,
    )


def _captions(comparison: ModelComparison, score: str, index: int) -> list[str]:
    pair = comparison.pairs[index]
    values = ', '.join(f'{scores[index].values[score]:.3f}' for scores in comparison.scores)
    cluster = f', cluster {pair.cluster}' if pair.cluster else ''
    return [pair.name, f'{score} {values}{cluster}']


def _pictures(comparison: ModelComparison, index: int) -> Iterator[np.ndarray | str]:
    pair = comparison.pairs[index]
    try:
        photo = thumbnail(comparison.root / pair.name, _SIDE)
        truth = _levels(pair.mask)
    except (OSError, ValueError) as err:
        yield from [str(err)] * (2 + len(comparison.models))
        return
    yield photo
    yield _on_pink(photo, truth)
    for store in comparison.stores:
        yield _result(photo, store, pair.name)


def _result(photo: np.ndarray, store: MaskStore, name: str) -> np.ndarray | str:
    stored = store.get(name)
    return 'no mask' if stored is None else _on_pink(photo, stored.mask)


def _on_pink(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return compose(photo, resize(mask, (photo.shape[1], photo.shape[0])), _FILL)


def _levels(path: Path) -> np.ndarray:
    levels = thumbnail(path, _SIDE)[..., 0]
    return levels * np.uint8(255) if levels.max() == 1 else levels
