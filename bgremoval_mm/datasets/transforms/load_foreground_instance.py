"""LoadForegroundInstance: a human mask as the one object of a photo, for mmdetection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from bgremoval_mm.datasets.transforms.load_saliency_mask import read_foreground
from bgremoval_mm.registry import TRANSFORMS

__all__ = ['LoadForegroundInstance']


@TRANSFORMS.register_module(force=True)
class LoadForegroundInstance(BaseTransform):
    """Load a mask as mmdetection's ``LoadAnnotations`` loads objects: its foreground is one.

    Which levels are foreground: see ``LoadSaliencyMask``. A mask without foreground has no object.

    **Required Keys:**

    - seg_map_path
    - ori_shape (optional): height and width that the mask must have

    **Added Keys:**

    - gt_bboxes: HorizontalBoxes of shape (1, 4): left, top, right, bottom, the last two beyond it
    - gt_bboxes_labels: int64 array of shape (1,): 0
    - gt_ignore_flags: bool array of shape (1,): False
    - gt_masks: BitmapMasks of shape (1, H, W)

    Raises:
        ArgumentError: If the mask has another size than the photo; if it cannot be read.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the object."""
        mask = read_foreground(Path(results['seg_map_path']), results.get('ori_shape'))
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        number = min(1, len(rows))
        boxes = np.zeros((number, 4), np.float32)
        if number:
            boxes[0] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        results['gt_bboxes'] = HorizontalBoxes(boxes)
        results['gt_bboxes_labels'] = np.zeros(number, np.int64)
        results['gt_ignore_flags'] = np.zeros(number, bool)
        results['gt_masks'] = BitmapMasks(mask[None][:number], *mask.shape)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
