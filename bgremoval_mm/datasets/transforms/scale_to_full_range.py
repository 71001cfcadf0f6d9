"""ScaleToFullRange: the brightest value of an image becomes 255."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from bgremoval_mm.registry import TRANSFORMS

__all__ = ['ScaleToFullRange']


@TRANSFORMS.register_module(force=True)
class ScaleToFullRange(BaseTransform):
    """Divide an image by its own largest value and multiply it by 255, as U2-Net is trained.

    The authors' loader and rembg divide each photo by its largest value before they normalise it.
    Stands last before packing, behind resizing and cropping. Photos that have a white pixel do not
    change.

    **Required Keys:**

    - img: uint8 or float array of shape (H, W, 3), values in [0, 255]

    **Modified Keys:**

    - img: float32 array of that shape
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Scale ``results['img']``."""
        image = results['img'].astype(np.float32)
        highest = float(image.max())
        results['img'] = image * (255 / highest) if highest > 0 else image
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
