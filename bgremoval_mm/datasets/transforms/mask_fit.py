"""Checks that a stored mask was made for an image as its loader gave it: size, way up, side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.removal import ImageError, StoredMask, read_image
from bgremoval_mm.removal.images.orientation import is_nearer
from bgremoval_mm.removal.images.reading import read_stored
from bgremoval_mm.utils.text import printable

__all__ = [
    'explain_misfit',
    'explain_move',
    'fits',
    'is_upright',
    'moves_of',
    'which_loaders_turn',
]

_BEHIND_LOADER = 'the transform that needs the mask must stand directly after the image loader'


def fits(image: np.ndarray, stored: StoredMask, path: str) -> bool:
    """Tell whether a mask was made for an image in this size and orientation.

    Args:
        image: Array of shape (H, W, 3), BGR, as a loader gave it.
        stored: The mask.
        path: The image's file, which is read if its EXIF block has an orientation. An image that
            is not a local file cannot be checked, see ``MaskStore.is_current``.
    """
    if image.shape[1::-1] != stored.size:
        return False
    file = Path(path)
    return stored.orientation == 1 or not file.is_file() or is_upright(image, file)


def explain_misfit(image: np.ndarray, stored: StoredMask, path: str, command: str) -> str:
    """Say why a mask does not fit an image, and what can be done.

    Args:
        image: See `fits`.
        stored: See `fits`.
        path: See `fits`.
        command: The command that makes the masks.
    """
    height, width = image.shape[:2]
    if stored.orientation != 1 and sorted((width, height)) == sorted(stored.size):
        return _explain_turn(image, stored, path, command)
    msg = (
        f'the mask of {printable(path)} is for an image of {stored.size[0]} x {stored.size[1]} '
        f'pixels, but `img` has {width} x {height}: {_BEHIND_LOADER}'
    )
    if (height, width) == stored.size:
        msg += (
            ", and the loader must turn images by their EXIF orientation only (mmcv's 'pillow' "
            "also uses what an editor left in the file's XMP; 'cv2' does not)"
        )
    return msg


def moves_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return what transforms that keep an image's size, but move its pixels, wrote into a sample.

    RandomFlip writes ``flip``, also where it does not flip, so that it shows at the first sample;
    mmdet's transforms write ``homography_matrix``. An image as it was loaded has neither.
    """
    moves = {key: results[key] for key in ('flip', 'flip_direction') if key in results}
    matrix = results.get('homography_matrix')
    if matrix is not None and not np.array_equal(matrix, np.eye(3)):
        moves['homography_matrix'] = np.asarray(matrix).tolist()
    return moves


def explain_move(path: str) -> str:
    """Say why a stored mask does not fit an image that `moves_of` found moved."""
    return (
        f'the mask of {printable(path)} is for the image as it was loaded, but a transform has '
        f'flipped or moved `img`, or does so at random: {_BEHIND_LOADER}'
    )


def _explain_turn(image: np.ndarray, stored: StoredMask, path: str, command: str) -> str:
    """Say why a mask of an upright image does not fit the image that a loader gave."""
    width, height = stored.size
    msg = f'the mask of {printable(path)} is for the upright image ({width} x {height} pixels)'
    if _orientation(Path(path)) not in (None, stored.orientation):
        return (
            f'{msg}, turned by orientation {stored.orientation}, which its EXIF block does not '
            f'have: an earlier version made it. Make it again: {command} --overwrite'
        )
    return (
        f'{msg}, but `img` came as the file stores it ({image.shape[1]} x {image.shape[0]}): '
        f'the loader did not apply its EXIF orientation ({stored.orientation}). '
        f'{which_loaders_turn(path)}'
    )


def which_loaders_turn(path: str) -> str:
    """Say which settings of a loader turn an image by its EXIF orientation."""
    return (
        "LoadImageFromFile does with imdecode_backend='cv2', or 'pillow' where OpenCV does not "
        f"know it of {Path(path).suffix} files, and color_type='color'; it does not with "
        "'tifffile', 'turbojpeg', 'unchanged' and '..._ignore_orientation'."
    )


def _orientation(path: Path) -> int | None:
    """Return the EXIF orientation of an image as the engine reads it, None if it cannot."""
    try:
        return read_image(path).orientation
    except (ImageError, OSError):
        return None


def is_upright(image: np.ndarray, path: Path) -> bool:
    """Tell whether a loaded image looks more like its file turned upright than like the raw file.

    Args:
        image: Array of shape (H, W, 3), BGR.
        path: A file with an EXIF orientation that keeps height and width.
    """
    stored = read_stored(path)
    if stored.shape[:2] != image.shape[:2]:
        return True
    return is_nearer(image, read_image(path).rgb, stored)
