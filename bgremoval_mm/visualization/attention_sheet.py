"""The picture sheet of attention: photos, their masks, and where one or two networks look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from PIL import Image

from bgremoval_mm.engine.attention import AttentionView
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

__all__ = ['AttentionTile', 'draw_attention', 'draw_attention_sheet']

_OPACITY = 0.75
_SIDE = 256  # pixels of the longer side, at least: maps of small networks would be blurred


@dataclass(frozen=True)
class AttentionTile:
    """One photo.

    Attributes:
        file: Its path.
        views: What each network gets, and where it looks; photo and mask are those of the first.
        scores: Attention score of each network; NaN where undefined.
        note: What the photo is an example of, such as "lowest".
    """

    file: str
    views: Sequence[AttentionView]
    scores: Sequence[float]
    note: str = ''


def draw_attention_sheet(
    tiles: Sequence[AttentionTile], names: Sequence[str], heading: tuple[str, str]
) -> Image.Image:
    """Draw a tile per photo: photo, mask, and the attention of each network.

    Args:
        tiles: The photos; at least one.
        names: Of the networks, above their maps.
        heading: Title and the line below it.

    Returns:
        RGB picture.

    Raises:
        ArgumentError: If a tile has not one view and one score for each network.
    """
    for tile in tiles:
        if not len(tile.views) == len(tile.scores) == len(names):
            msg = (
                f'{tile.file} must have {len(names)} views and scores, one for each network, but '
                f'has {len(tile.views)} and {len(tile.scores)}'
            )
            raise ArgumentError(msg)
    columns = ('photo', 'mask', *names)
    drawn = [_tile(tile) for tile in tiles]
    return draw_tiles(drawn, columns, heading, columns=2, side=1.7)


def draw_attention(picture: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Draw attention as colours, from black over red to white, on the photo in grey.

    Args:
        picture: uint8 array of shape (H, W, 3), RGB.
        attention: In [0, 1], shape (H, W).

    Returns:
        uint8 array of the picture's shape.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float64)
    colours = 255 * colormaps['hot'](attention)[..., :3]
    mixed: np.ndarray = (_OPACITY * colours + (1 - _OPACITY) * grey).round()
    return mixed.astype(np.uint8)


def _tile(tile: AttentionTile) -> Tile:
    first = tile.views[0]
    pictures = [first.picture, (255 * first.mask).round().astype(np.uint8)]
    pictures += [draw_attention(each.picture, each.attention) for each in tile.views]
    scores = ' / '.join('undefined' if np.isnan(each) else f'{each:.3f}' for each in tile.scores)
    note = f' ({tile.note})' if tile.note else ''
    caption = (f'score {scores}{note}', Path(tile.file).name)
    return Tile([_enlarge(each) for each in pictures], caption)


def _enlarge(pixels: np.ndarray) -> np.ndarray:
    """Repeat the pixels of a small picture, so that each stays a square."""
    factor = -(-_SIDE // max(pixels.shape[:2]))
    return pixels.repeat(factor, 0).repeat(factor, 1)
