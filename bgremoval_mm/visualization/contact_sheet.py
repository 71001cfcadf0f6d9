"""A contact sheet: tiles of pictures side by side, each with a few lines of text below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable
from bgremoval_mm.visualization.canvas import FAINT, INK, WRONG, new_figure, render, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ['CHARACTER', 'Tile', 'draw_tiles', 'shrink']

# Inches: between pictures, between tiles and at the sheet's edge; a line of text.
_GAP, _MARGIN, _LINE = 0.04, 0.22, 0.16
_TITLE, _NAMES = 0.85, 0.22
CHARACTER = 0.066
"""Width of an average character at 8 points, in inches."""
_DPI, _MOST = 150, 2**16 - 1  # pixels of a side that can be drawn


def shrink(pixels: np.ndarray, side: int = 420) -> np.ndarray:
    """Return a picture as small as a sheet needs it, so that drawing does not take long.

    Args:
        pixels: uint8 array of shape (H, W) or (H, W, 3).
        side: Pixels of the longer side; a smaller picture stays as it is.
    """
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    return np.asarray(picture)


@dataclass(frozen=True)
class Tile:
    """One thing to show.

    Attributes:
        pictures: uint8 arrays of shape (H, W) or (H, W, 3), RGB; or words in a picture's place,
            which say why there is none.
        caption: Lines of text, the most important first.
        warning: A last line, in red; the pictures get a red frame, too.
    """

    pictures: Sequence[np.ndarray | str]
    caption: Sequence[str] = ()
    warning: str = ''


def draw_tiles(
    tiles: Sequence[Tile],
    names: Sequence[str],
    heading: tuple[str, str],
    columns: int = 4,
    side: float = 1.25,
) -> Image.Image:
    """Draw a contact sheet.

    Args:
        tiles: What to show, row by row. At least one.
        names: What the pictures of every tile are, printed above each column.
        heading: Title and the line below it.
        columns: Tiles in a row; fewer if there are fewer tiles.
        side: Side of the square that each picture is fitted into, inches at 150 dpi.

    Returns:
        RGB picture.

    Raises:
        ValueError: There is nothing to draw, or too much for a picture; or a tile has another
            number of pictures.
    """
    if not tiles or any(len(tile.pictures) != len(names) for tile in tiles):
        msg = (
            f'`tiles` must be one or more tiles of {len(names)} pictures each, '
            f'but got {[len(tile.pictures) for tile in tiles]}'
        )
        raise ValueError(msg)
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    lines = max(len(tile.caption) + bool(tile.warning) for tile in tiles)
    inner = len(names) * side + (len(names) - 1) * _GAP
    step = (inner + _MARGIN, side + lines * _LINE + _MARGIN)
    # A title is readable only on a sheet that is as wide as it.
    width = max(columns * step[0] + _MARGIN, 7.0)
    height = _TITLE + _NAMES + rows * step[1]
    if max(width, height) * _DPI > _MOST:
        fit = int((_MOST / _DPI - _TITLE - _NAMES) / step[1]) * columns
        msg = (
            f'a sheet of {len(tiles):,} would be {width * _DPI:,.0f} x {height * _DPI:,.0f} pixels '
            f'large, but {_MOST:,} a side can be drawn: show fewer, such as {fit:,} in {columns} '
            'columns'
        )
        raise ArgumentError(msg)
    sheet = _Sheet(new_figure(width, height), width, height)
    sheet.text(width / 2, 0.42, heading[0], 15, INK, weight='bold', ha='center')
    sheet.text(width / 2, 0.70, heading[1], 10, FAINT, ha='center')
    for column in range(columns):
        for i, name in enumerate(names):
            x = _MARGIN + column * step[0] + i * (side + _GAP) + side / 2
            name = shorten(printable(name), int(side / CHARACTER))
            sheet.text(x, _TITLE + 0.12, name, 8, FAINT, ha='center')
    for tile, (row, column) in zip(tiles, _places(columns), strict=False):
        x, y = _MARGIN + column * step[0], _TITLE + _NAMES + row * step[1]
        for i, picture in enumerate(tile.pictures):
            frame = WRONG if tile.warning else FAINT
            sheet.picture(x + i * (side + _GAP), y, side, picture, frame)
        texts = [(line, INK if i == 0 else FAINT) for i, line in enumerate(tile.caption)]
        texts += [(tile.warning, WRONG)] if tile.warning else []
        for i, (line, colour) in enumerate(texts):
            line = shorten(printable(line), int(inner / CHARACTER))
            sheet.text(x, y + side + 0.15 + i * _LINE, line, 8, colour)
    return render(sheet.figure)


def _places(columns: int) -> Iterator[tuple[int, int]]:
    """Yield row and column of each tile."""
    return (divmod(number, columns) for number in count())


@dataclass(frozen=True)
class _Sheet:
    """A figure measured in inches from its upper left corner."""

    figure: Figure
    width: float
    height: float

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        weight: str = 'normal',
        ha: str = 'left',
    ) -> None:
        """Print a line on the base line y."""
        # Without parse_math a file called `a$b$.jpg` would be typeset as a formula.
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            printable(text),
            size=size,
            color=colour,
            weight=weight,
            ha=ha,
            parse_math=False,
        )

    def picture(
        self, x: float, y: float, side: float, picture: np.ndarray | str, frame: str
    ) -> None:
        """Draw a picture, or words in its place, into the square whose upper left is x, y."""
        box = (
            x / self.width,
            1 - (y + side) / self.height,
            side / self.width,
            side / self.height,
        )
        axis = self.figure.add_axes(box, xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set(edgecolor=frame, linewidth=0.8 if frame == FAINT else 1.6)
        if isinstance(picture, str):
            axis.set_facecolor('#f6f8fa')
            axis.text(
                0.5,
                0.5,
                textwrap.fill(printable(picture), int(side / CHARACTER) - 2),
                size=8,
                color=WRONG,
                ha='center',
                va='center',
                parse_math=False,
            )
        else:
            axis.imshow(picture, cmap='gray', vmin=0, vmax=255, interpolation='antialiased')
