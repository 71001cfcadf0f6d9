"""Sheets of queries and what was found for them, with ranks in green and red."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.opening import ImageError
from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.removal.io.csv_files import open_csv
from bgremoval_mm.utils.sampling import evenly_spaced
from bgremoval_mm.utils.text import printable
from bgremoval_mm.visualization.canvas import INK, RIGHT, WRONG
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles, shrink

__all__ = ['Query', 'RankedPhoto', 'draw_retrieval_sheet', 'read_hits']

_SIDE = 400
_COLOURS = {True: RIGHT, False: WRONG, None: INK}
_COLUMNS = ('query', 'query_item', 'rank', 'photo', 'item', 'similarity', 'right')


@dataclass(frozen=True)
class RankedPhoto:
    """A hit.

    Attributes:
        photo: Its file.
        similarity: To the query.
        right: Whether it shows the query's item; None where that is not known.
    """

    photo: Path
    similarity: float
    right: bool | None = None


@dataclass(frozen=True)
class Query:
    """A query and its hits.

    Attributes:
        photo: File of the query, or uint8 of shape (H, W, 3), RGB: what the network was given.
        name: What is printed below.
        hits: The nearest first.
    """

    photo: Path | np.ndarray
    name: str
    hits: Sequence[RankedPhoto]


def draw_retrieval_sheet(
    queries: Sequence[Query],
    heading: tuple[str, str],
    shown: int = 3,
    columns: int = 2,
    names: bool = True,
) -> Image.Image:
    """Draw each query beside its first hits; ranks are green where the item is right, else red.

    Fig. 2 of Park et al., "Study on Fashion Image Retrieval Methods for Efficient Fashion Visual
    Search" (CVPRW 2019), shows results in such a way.

    Args:
        queries: At least one.
        heading: Title and the line below it.
        shown: Hits of each query; empty where there are fewer.
        columns: Queries in a row.
        names: Whether names of files are printed.

    Returns:
        RGB picture.

    Raises:
        ArgumentError: If there is no query, or `shown` is not above 0.
    """
    if not queries or shown < 1:
        msg = (
            f'`queries` must be one or more, with one hit or more to show, but got {len(queries)} '
            f'queries and {shown}'
        )
        raise ArgumentError(msg)
    tiles = []
    for query in queries:
        pictures = [_read(query.photo)]
        for rank in range(1, shown + 1):
            if rank > len(query.hits):
                pictures.append('no further photo')
                continue
            hit = query.hits[rank - 1]
            pictures.append(_with_rank(_read(hit.photo), rank, hit.right))
        caption = [query.name] if names else []
        for rank, hit in enumerate(query.hits[:shown], start=1):
            named = f'{hit.photo.name}  ' if names else ''
            caption.append(f'{rank}  {named}{hit.similarity:.3f}{_WORDS[hit.right]}')
        tiles.append(Tile(pictures, caption))
    return draw_tiles(tiles, ('query', *map(str, range(1, shown + 1))), heading, columns)


_WORDS = {True: '  same item', False: '  another item', None: ''}


def read_hits(path: Path, count: int | None = None) -> list[Query]:
    """Read the hits that QueryGalleryMetric has written.

    Args:
        path: The CSV file.
        count: How many queries, evenly spaced over the file; None: all.

    Raises:
        ArgumentError: If it is not such a file.
        OSError: If it cannot be read.
    """
    with open_csv(path) as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            msg = (
                f'{printable(path)} must have the columns {", ".join(_COLUMNS)}, as '
                f'QueryGalleryMetric writes them, but has {", ".join(reader.fieldnames or ())}'
            )
            raise ArgumentError(msg)
        found: dict[tuple[str, str], list[RankedPhoto]] = {}
        for row in reader:
            hit = RankedPhoto(Path(row['photo']), float(row['similarity']), row['right'] == '1')
            found.setdefault((row['query'], row['query_item']), []).append(hit)
    queries = [
        Query(Path(photo), f'{Path(photo).name} ({item})', hits)
        for (photo, item), hits in found.items()
    ]
    return queries if count is None else evenly_spaced(queries, count)


def _read(photo: Path | np.ndarray) -> np.ndarray | str:
    if isinstance(photo, np.ndarray):
        return shrink(photo, _SIDE)
    try:
        return thumbnail(photo, _SIDE)
    except (ImageError, OSError) as err:
        return str(err)


def _with_rank(picture: np.ndarray | str, rank: int, right: bool | None) -> np.ndarray | str:
    """Put the rank into a picture's upper left corner, on its colour, with a frame of it."""
    if isinstance(picture, str):
        return picture
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    colour = ImageColor.getrgb(_COLOURS[right])
    side = max(12, max(image.size) // 7)
    draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=colour, width=side // 10 + 1)
    draw.rectangle((0, 0, side, side), fill=colour)
    font = ImageFont.load_default(side * 0.75)
    draw.text((side / 2, side / 2), str(rank), 'white', font, anchor='mm')
    return np.asarray(image)
