"""What augmentations do to a photo before and after removal, as a sheet of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import TRANSFORMS, DefaultScope
from PIL import Image

from bgremoval_mm.removal.masks.functional import compose
from bgremoval_mm.visualization.browse import seeded
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

__all__ = ['augment', 'background_levels', 'draw_augmentations', 'read_augmentations']

_SIDE = 300
_BACKGROUND = 0  # of a mask: surely no foreground


def read_augmentations(files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Read augmentations as the configs have them, but always applied.

    Args:
        files: Title to the config that defines `augmentation`.

    Returns:
        Title to the config of the transform.
    """
    return {
        title: _always(Config.fromfile(path).to_dict()['augmentation'])
        for title, path in files.items()
    }


def _always(transform: dict[str, Any]) -> dict[str, Any]:
    return {**transform, 'prob': 1.0} if 'prob' in transform else transform


def augment(picture: np.ndarray, transform: dict[str, Any], seed: int = 0) -> np.ndarray:
    """Apply a transform to a picture; the same seed draws the same numbers.

    Args:
        picture: uint8 array of shape (H, W, 3), RGB.
        transform: Its config, of mmpretrain.
        seed: Of all random numbers.

    Returns:
        The augmented picture, of the same kind.
    """
    import mmpretrain.datasets  # noqa: F401  # registers the transforms

    with DefaultScope.overwrite_default_scope('mmpretrain'), seeded(seed):
        results = TRANSFORMS.build(dict(transform))({'img': picture[..., ::-1].copy()})
    return np.ascontiguousarray(results['img'][..., ::-1])


def background_levels(
    photos: Sequence[tuple[np.ndarray, np.ndarray]], augmentations: dict[str, dict[str, Any]]
) -> dict[str, float]:
    """Return the mean level, after augmentation, of what was black after removal.

    Args:
        photos: Photo (uint8, H x W x 3, RGB) and mask (uint8, H x W).
        augmentations: See :func:`read_augmentations`.

    Returns:
        Title to level, 0 to 255: mean over the photos of the mean over pixels whose mask is 0.
    """
    levels = {}
    for title, transform in augmentations.items():
        means = []
        for index, (photo, mask) in enumerate(photos):
            outside = mask == _BACKGROUND
            if outside.any():
                removed = augment(compose(photo, mask), transform, index)
                means.append(float(removed[outside].mean()))
        levels[title] = float(np.mean(means)) if means else float('nan')
    return levels


def draw_augmentations(
    photos: Sequence[tuple[np.ndarray, np.ndarray]],
    names: Sequence[str],
    augmentations: dict[str, dict[str, Any]],
) -> Image.Image:
    """Draw two rows a photo, original and removed: as it is, and after each augmentation.

    Args:
        photos: Photo (uint8, H x W x 3, RGB) and mask (uint8, H x W).
        names: What to write below each photo.
        augmentations: See :func:`read_augmentations`.

    Returns:
        RGB picture.
    """
    tiles = []
    for (photo, mask), name in zip(photos, names, strict=True):
        for variant, picture in (('original', photo), ('removed', compose(photo, mask))):
            small = _small(picture)
            row = [small, *(augment(small, each) for each in augmentations.values())]
            tiles.append(Tile(row, [f'{variant}: {name}']))
    heading = ('Augmentations of a photo, original and removed', 'each with the same numbers')
    return draw_tiles(tiles, ['as it is', *augmentations], heading, columns=1, side=1.1)


def _small(pixels: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_SIDE, _SIDE))
    return np.asarray(picture)
