"""A mask made for the upright photo is never laid on pixels that lie otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import ExifTags, Image

from bgremoval_mm.datasets.transforms.mask_fit import is_upright


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif'])
@pytest.mark.parametrize(('orientation', 'side'), [(3, 24), (2, 24), (4, 24), (3, 16), (6, 24)])
def test_loaders_that_heed_no_orientation_are_noticed(
    tmp_path: Path, suffix: str, orientation: int, side: int
) -> None:
    """TIFFs too, which Pillow turns as it loads them, and tifffile does not.

    Only orientations that keep the shape can go unnoticed otherwise: turned by 180 degrees,
    mirrored, or square.
    """
    pixels = np.full((24, side, 3), 90, np.uint8)
    pixels[:8, :6] = (250, 200, 10)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(pixels).save(path, exif=exif)
    upright = LoadImageFromFile(imdecode_backend='cv2')({'img_path': str(path)})['img']
    assert is_upright(upright, path)
    assert not is_upright(pixels[..., ::-1], path)
    if suffix == 'tif':
        raw = LoadImageFromFile(imdecode_backend='tifffile')({'img_path': str(path)})['img']
        np.testing.assert_array_equal(raw, pixels)
        assert not is_upright(raw, path)
