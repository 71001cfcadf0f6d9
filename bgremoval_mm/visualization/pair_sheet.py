"""Contact sheets of pairs: the oddest ones, and each cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.removal.images.opening import ImageError
from bgremoval_mm.removal.images.reading import read_image
from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.removal.masks.functional import resize
from bgremoval_mm.removal.pairs.manifest import Pair
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

__all__ = ['draw_cluster_sheet', 'draw_odd_sheet']

_SIDE = 400


def draw_odd_sheet(
    pairs: Sequence[Pair], odd: Iterable[tuple[int, str]], folder: Path, number: int = 40
) -> Image.Image:
    """Draw photo, mask and what the mask leaves of the photo, of the oddest pairs.

    Args:
        pairs: Of a manifest, at least one.
        odd: Index and what is odd, the oddest first.
        folder: Folder of the manifest.
        number: How many are shown.
    """
    shown = list(odd)[:number]
    tiles = [_pair_tile(pairs[index], reason, folder) for index, reason in shown]
    return draw_tiles(
        tiles,
        ('photo', 'mask', 'foreground'),
        (
            f'{len(pairs):,} pairs',
            f'the {len(shown)} that differ most from the others, and by what',
        ),
    )


def draw_cluster_sheet(
    name: str, pairs: Sequence[Pair], folder: Path, number: int = 40
) -> Image.Image:
    """Draw photos of a cluster, chosen by a hash of their content.

    Args:
        name: Of the cluster.
        pairs: Those of the cluster, at least one.
        folder: Folder of the manifest.
        number: How many are shown.
    """
    chosen = sorted(pairs, key=lambda pair: hashlib.sha256(pair.image_sha256.encode()).digest())
    tiles = []
    for pair in chosen[:number]:
        photo = _read(folder / pair.image)
        tiles.append(Tile([photo], [Path(pair.image).name]))
    validating = sum(pair.split == 'val' for pair in pairs)
    heading = (
        f'cluster {name}: {len(pairs):,} photos',
        f'{validating:,} of them validate; {len(tiles)} are shown',
    )
    return draw_tiles(tiles, ('',), heading, columns=8)


def _pair_tile(pair: Pair, reason: str, folder: Path) -> Tile:
    photo, mask = _read(folder / pair.image), _read(folder / pair.mask)
    left: np.ndarray | str = 'cannot be shown'
    if not isinstance(photo, str) and not isinstance(mask, str):
        levels = mask[..., 0] * np.uint8(255 if mask.max() == 1 else 1)
        mask = resize(levels, (photo.shape[1], photo.shape[0]))
        left = np.where(mask[..., None] > 127, photo, np.uint8(255))
    return Tile([photo, mask, left], [pair.image, reason])


def _read(path: Path) -> np.ndarray | str:
    try:
        if path.suffix.lower() in ('.jpg', '.jpeg'):
            return thumbnail(path, _SIDE)
        pixels = read_image(path).rgb
        step = max(1, max(pixels.shape[:2]) // _SIDE)
        return np.ascontiguousarray(pixels[::step, ::step])
    except (ImageError, OSError) as err:
        return str(err)
