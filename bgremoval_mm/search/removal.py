"""The background of photos that are indexed or searched for: removed, or left as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bgremoval_mm.removal import BackgroundRemover, binarise, compose
from bgremoval_mm.removal.masks.quality import EMPTY_SHARE
from bgremoval_mm.removal.options import check_fill
from bgremoval_mm.removal.options.values import check_threshold
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model, is_model_file
from bgremoval_mm.search.records import RemovalRecord

__all__ = ['PhotoRemoval', 'leaves_nothing']


class PhotoRemoval:
    """Removes the backgrounds of photos before they are turned into vectors.

    Args:
        model: Name of a model of ``CATALOGUE``, path of an ONNX file, or a ModelSpec.
        fill: Colour behind the foreground: a level from 0 to 255, or (R, G, B). White, as in many a
            catalogue, unless a network was trained with another one.
        precision: See BackgroundRemover.
        backend: See BackgroundRemover.
        device: See BackgroundRemover.
        accept_licence: Accept weights that are not for commercial use.
        threshold: Share in (0, 1) above which a pixel is foreground as a whole; None keeps the soft
            edge. See RemoveBackground.
    """

    def __init__(
        self,
        model: str | ModelSpec = 'u2net',
        fill: float | Sequence[float] = 255,
        precision: str = 'fp32',
        backend: str = 'auto',
        device: str = 'auto',
        accept_licence: bool = False,
        threshold: float | None = None,
    ) -> None:
        check_threshold(threshold)
        red, green, blue = (float(level) for level in check_fill(fill))
        self.remover = BackgroundRemover(
            model, backend, device, precision, accept_licence=accept_licence
        )
        spec = get_model(model)
        # An index must find a file again, from whatever folder it is asked.
        name = spec.name
        if not isinstance(model, ModelSpec) and is_model_file(model):
            name = str(Path(model).resolve())
        colour = (red, green, blue)
        self.record = RemovalRecord(name, spec.hash, self.remover.precision, colour, threshold)

    def __call__(self, images: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return photos without backgrounds, and the masks.

        Args:
            images: uint8 arrays of shape (H, W, 3), RGB.

        Returns:
            Arrays of the same shapes, and masks: uint8 of shape (H, W), 255 = foreground.
        """
        masks = self.remover(list(images))
        fill, threshold = self.record.fill, self.record.threshold
        if threshold is not None:
            masks = [binarise(mask, threshold) for mask in masks]
        return [compose(each, mask, fill) for each, mask in zip(images, masks, strict=True)], masks


def leaves_nothing(mask: np.ndarray) -> bool:
    """Return whether a photo has next to no foreground: its mask has the flag ``empty``.

    What is left is the fill: the vectors of all such photos are the same.
    """
    return float(mask.mean()) < 255 * EMPTY_SHARE
