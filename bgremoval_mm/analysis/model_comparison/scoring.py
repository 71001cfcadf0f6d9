"""The scores of all models' masks of one photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bgremoval_mm.evaluation.saliency import ImageScores, score_image, stretch_to_unit
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.reading import read_stored
from bgremoval_mm.removal.outputs.mask_store import MaskStore
from bgremoval_mm.removal.pairs.inspection import binary_mask

__all__ = ['ScoringError', 'ScoringJob', 'score_photo']


class ScoringError(BgremovalError, ValueError):
    """A photo cannot be scored."""


@dataclass(frozen=True)
class ScoringJob:
    """A photo, its mask by people, and the stores that hold the models' masks.

    Attributes:
        name: Path of the photo below the stores' folder of images.
        truth: The mask by people.
        stores: Of each model.
        scores: Which of `bgremoval_mm.evaluation.saliency.SCORES`.
    """

    name: str
    truth: Path
    stores: tuple[MaskStore, ...]
    scores: tuple[str, ...]


def score_photo(job: ScoringJob) -> list[ImageScores]:
    """Return the scores of each model's mask, at the photo's size, as SaliencyMetric gives them.

    Raises:
        ScoringError: If a model has no mask of the photo, or the mask by people has another size.
        BgremovalError, OSError: If a file cannot be read.
    """
    truth, _ = binary_mask(read_stored(job.truth)[..., 0])
    found = []
    for store in job.stores:
        stored = store.get(job.name)
        if stored is None:
            msg = f'{store.spec.name} has no mask of it'
            raise ScoringError(msg)
        if stored.size != truth.shape[::-1]:
            msg = (
                f'the photo has {stored.size[0]} x {stored.size[1]} pixels, its mask '
                f'{truth.shape[1]} x {truth.shape[0]}'
            )
            raise ScoringError(msg)
        saliency = stretch_to_unit(stored.full_size().astype(np.float64) / 255)
        found.append(score_image(saliency, truth, names=job.scores))
    return found
