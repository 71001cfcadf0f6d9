"""LoadForegroundInstance: the foreground of a mask as one object, for detectors."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('mmdet')

from bgremoval_mm.datasets.transforms.load_foreground_instance import LoadForegroundInstance
from bgremoval_mm.removal.errors import ArgumentError


def loaded(tmp_path: Path, levels: np.ndarray, **more: object) -> dict:
    """What the transform makes of a mask."""
    Image.fromarray(levels).save(tmp_path / 'mask.png')
    step = pickle.loads(pickle.dumps(LoadForegroundInstance()))
    found: dict = step({'seg_map_path': str(tmp_path / 'mask.png'), **more})
    return found


def test_one_object_with_the_box_around_it(tmp_path: Path) -> None:
    """Two parts are one object; its box ends beyond the last pixel, as boxes of COCO do."""
    levels = np.zeros((6, 9), np.uint8)
    levels[1, 2:4], levels[4, 7], levels[0, 0] = 255, 128, 127
    found = loaded(tmp_path, levels, ori_shape=(6, 9))
    assert found['gt_bboxes'].tensor.tolist() == [[2, 1, 8, 5]]
    assert found['gt_bboxes_labels'].tolist() == [0]
    assert found['gt_ignore_flags'].tolist() == [False]
    masks = found['gt_masks']
    assert (masks.height, masks.width) == (6, 9)
    assert np.array_equal(masks.masks[0], levels >= 128)


def test_a_mask_of_nothing_has_no_object(tmp_path: Path) -> None:
    """All fields are there, with a length of 0."""
    found = loaded(tmp_path, np.zeros((4, 5), np.uint8))
    assert tuple(found['gt_bboxes'].tensor.shape) == (0, 4)
    assert len(found['gt_bboxes_labels']) == len(found['gt_ignore_flags']) == 0
    assert found['gt_masks'].masks.shape == (0, 4, 5)


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    """Is refused, as LoadSaliencyMask refuses it."""
    with pytest.raises(ArgumentError, match='the size of its photo, 5 x 5, but has 5 x 4'):
        loaded(tmp_path, np.zeros((4, 5), np.uint8), ori_shape=(5, 5))
