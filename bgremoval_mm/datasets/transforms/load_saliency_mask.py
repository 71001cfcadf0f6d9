"""LoadSaliencyMask: a human mask as a label map of background and foreground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from bgremoval_mm.datasets.formats.ccp import read_labels
from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import ImageError, read_stored

__all__ = ['LoadSaliencyMask', 'foreground_of', 'read_foreground']

_NEARLY_GREY = 16  # levels between the channels of a grey pixel: JPEG files are not exact


@TRANSFORMS.register_module(force=True)
class LoadSaliencyMask(BaseTransform):
    """Load a mask as mmsegmentation's ``LoadAnnotations`` loads label maps, of two classes.

    Stands where that does: before geometry in training, after ``Resize`` in tests, so that
    predictions are compared at the photo's own size.

    A picture is foreground (1) where its level is 128 or more, as in evaluations of salient object
    detection, or where it is 1 if it holds 0 and 1 only; 16 bits are reduced to 8 first. A ``.mat``
    file of Clothing Co-Parsing is foreground where its label is above 0.

    **Required Keys:**

    - seg_map_path
    - ori_shape (optional): height and width that the mask must have
    - seg_fields

    **Added Keys:**

    - gt_seg_map: uint8 array of shape (H, W), 0 for background and 1 for foreground

    **Modified Keys:**

    - seg_fields: gt_seg_map is added

    Raises:
        ArgumentError: If the mask has another size than the photo; if it cannot be read; if it has
            colours, or levels that do not say what is foreground.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``results['gt_seg_map']``."""
        mask = read_foreground(Path(results['seg_map_path']), results.get('ori_shape'))
        results['gt_seg_map'] = mask
        results['seg_fields'].append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def read_foreground(path: Path, size: Sequence[int] | None = None) -> np.ndarray:
    """Read a mask as 0 and 1.

    Args:
        path: A picture, or a ``.mat`` file of Clothing Co-Parsing.
        size: Height and width that it must have, perhaps with more; None: any.

    Returns:
        uint8 array of shape (H, W).

    Raises:
        ArgumentError: If it has another size; if it cannot be read; if it has colours, or levels
            that do not say what is foreground.
    """
    if path.suffix == '.mat':
        mask = (read_labels(path) > 0).astype(np.uint8)
    else:
        try:
            pixels = read_stored(path)
        except (ImageError, OSError) as err:
            msg = f'{path}, a mask, cannot be read: {err}'
            raise ArgumentError(msg) from err
        mask = foreground_of(_levels(pixels, path))
    if size is not None and mask.shape != tuple(size[:2]):
        msg = (
            f'{path} must have the size of its photo, {size[1]} x {size[0]}, but has '
            f'{mask.shape[1]} x {mask.shape[0]}'
        )
        raise ArgumentError(msg)
    return mask


def _levels(pixels: np.ndarray, path: Path) -> np.ndarray:
    """Return the levels of a mask, uint8 of shape (H, W), of its RGB pixels."""
    levels = np.asarray(Image.fromarray(pixels).convert('L'))
    rule = 'a mask must be grey, with levels of 128 or more, or 1 beside 0 alone, as foreground'
    if np.ptp(pixels, axis=-1).max(initial=0) > _NEARLY_GREY:
        msg = f'{path}: {rule}, but has colours. Are they labels of classes?'
        raise ArgumentError(msg)
    found = np.flatnonzero(np.bincount(levels.ravel(), minlength=256))
    if 1 < found[-1] < 128:
        msg = f'{path}: {rule}, but its highest level is {found[-1]}'
        raise ArgumentError(msg)
    if found[1:].tolist() == [1, 255] or found.tolist() == [1, 255]:
        msg = f'{path}: {rule}, but has the levels 1 and 255: is 255 what should be ignored?'
        raise ArgumentError(msg)
    return levels


def foreground_of(levels: np.ndarray) -> np.ndarray:
    """Return a mask as 0 and 1.

    Args:
        levels: uint8 array of any shape.

    Returns:
        uint8 array of that shape.
    """
    threshold = 1 if levels.max(initial=0) == 1 else 128
    found: np.ndarray = (levels >= threshold).astype(np.uint8)
    return found
