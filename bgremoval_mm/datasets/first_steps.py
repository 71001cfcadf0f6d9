"""Photos as the first steps of a pipeline give them: loaded, with their background changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mmengine.dataset import Compose

from bgremoval_mm.datasets.pipeline import is_image_loader, is_removal
from bgremoval_mm.datasets.unwrap import base_datasets

__all__ = ['load_photo']


def load_photo(dataset: Any, index: int) -> np.ndarray:
    """Return a photo before resizing and cropping, its background removed if the pipeline does so.

    Of joined datasets each photo goes through the pipeline of its own.

    Args:
        dataset: A dataset of OpenMMLab, in whatever wrappers.
        index: Of the photo.

    Returns:
        uint8 array of shape (H, W, 3), RGB.
    """
    with _first_steps_only(dataset):
        image = dataset[index]['img']
    pixels: np.ndarray = np.rint(np.ascontiguousarray(image[..., ::-1])).clip(0, 255)
    return pixels.astype(np.uint8)


@contextmanager
def _first_steps_only(dataset: Any) -> Iterator[None]:
    """Cut pipelines off behind the loader and the removal for a while."""
    whole = []
    for base in base_datasets(dataset):
        transforms = base.pipeline.transforms
        steps = [
            index
            for index, each in enumerate(transforms)
            if is_image_loader(each) or is_removal(each)
        ]
        whole.append((base, base.pipeline))
        base.pipeline = Compose(transforms[: max(steps, default=0) + 1])
    try:
        yield
    finally:
        # In reverse, as a dataset may stand in several wrappers.
        for base, pipeline in reversed(whole):
            base.pipeline = pipeline
