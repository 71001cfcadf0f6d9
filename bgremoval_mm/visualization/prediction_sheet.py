"""Pictures of annotations and predictions: masks, boxes and classes drawn on photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from PIL import Image

from bgremoval_mm.utils.text import printable
from bgremoval_mm.visualization.browse import class_name
from bgremoval_mm.visualization.canvas import INK, new_figure, render, shorten
from bgremoval_mm.visualization.contact_sheet import CHARACTER, Tile, draw_tiles, shrink
from bgremoval_mm.visualization.predictions import Annotation, PredictionView

__all__ = ['draw_annotations', 'draw_prediction_sheet', 'pick_colours']

_OPACITY = 0.55
_GREY = 235
_LEGEND_COLUMNS, _LEGEND_CHARACTERS = 6, 80  # at most
_LEGEND_LINE = 0.24  # inches


def draw_prediction_sheet(
    pairs: Sequence[tuple[PredictionView, PredictionView]],
    classes: Sequence[str],
    heading: tuple[str, str],
    hide_photos: bool = False,
) -> Image.Image:
    """Draw a row per photo: annotation, prediction on the original, prediction without background.

    Args:
        pairs: Each photo as the model of the originals and that of the removed images see it.
        classes: Names of the classes.
        heading: Title and the line below it.
        hide_photos: Draw on grey instead: for publication where the photos must not be shown.

    Returns:
        RGB picture.
    """
    if hide_photos:
        pairs = [(_without_photo(original), _without_photo(removed)) for original, removed in pairs]
    colours = pick_colours(
        each.category for pair in pairs for view in pair for each in (*view.truth, *view.prediction)
    )
    tiles = [_tile(original, removed, classes, colours) for original, removed in pairs]
    names = ('annotation', 'original', 'background removed')
    sheet = draw_tiles(tiles, names, heading, columns=2, side=2.3)
    legend = _legend([(class_name(i, classes), each) for i, each in colours.items()], sheet.width)
    whole = Image.new('RGB', (sheet.width, sheet.height + legend.height), 'white')
    whole.paste(sheet)
    whole.paste(legend, (0, sheet.height))
    return whole


def pick_colours(categories: Iterable[int]) -> dict[int, tuple[int, int, int]]:
    """Pick a colour (R, G, B) for each class, the most frequent ones first and farthest apart.

    Args:
        categories: Class of each thing that will be drawn.
    """
    counts = Counter(categories)
    ranked = sorted(counts, key=lambda each: (-counts[each], each))
    # Ten strong colours, their ten light ones, and then the circle of hues.
    pairs, hues = colormaps['tab20'], colormaps['hsv']
    palette = [pairs(i) for i in (*range(0, 20, 2), *range(1, 20, 2))]
    palette += [hues(i / max(1, len(ranked) - 20)) for i in range(len(ranked) - 20)]
    colours = {}
    for category, (red, green, blue, _) in zip(ranked, palette, strict=False):
        colours[category] = (round(255 * red), round(255 * green), round(255 * blue))
    return colours


def draw_annotations(
    photo: np.ndarray,
    annotations: Sequence[Annotation],
    colours: Mapping[int, tuple[int, int, int]],
) -> np.ndarray:
    """Draw masks, half transparent and outlined, and boxes of what has no mask.

    Args:
        photo: uint8 array of shape (H, W, 3), RGB; stays as it is.
        annotations: What to draw, the most important first: it lies on top.
        colours: (R, G, B) by class.

    Returns:
        uint8 array of the photo's shape.
    """
    drawn = photo.copy()
    width = max(1, max(photo.shape[:2]) // 250)
    for each in reversed(annotations):
        colour = colours[each.category]
        if each.mask is not None:
            inside = drawn[each.mask].astype(np.float32)
            mixed = inside * (1 - _OPACITY) + np.asarray(colour, np.float32) * _OPACITY
            drawn[each.mask] = mixed.round().astype(np.uint8)
            outlines, _ = cv2.findContours(
                each.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
            )
            cv2.drawContours(drawn, outlines, -1, colour, width)
        elif each.box is not None:
            left, top, right, bottom = (round(each) for each in each.box)
            cv2.rectangle(drawn, (left, top), (right, bottom), colour, 2 * width)
    return drawn


def _tile(
    original: PredictionView,
    removed: PredictionView,
    classes: Sequence[str],
    colours: Mapping[int, tuple[int, int, int]],
) -> Tile:
    pictures = [
        shrink(draw_annotations(original.photo, original.truth, colours)),
        shrink(draw_annotations(original.photo, original.prediction, colours)),
        shrink(draw_annotations(removed.photo, removed.prediction, colours)),
    ]
    caption, warning = [Path(original.path).name], ''
    says_class_only = [
        each.mask is None and each.box is None
        for each in (*original.prediction, *removed.prediction)
    ]
    if says_class_only and all(says_class_only):
        words = [_in_words(each, classes) for each in (original.prediction, removed.prediction)]
        truth = {each.category for each in original.truth}
        names = [class_name(each, classes) for each in sorted(truth)]
        caption.append(f'is: {", ".join(names)}')
        caption.append(f'original: {words[0]}   removed: {words[1]}')
        wrong = [
            name
            for name, shown in (('original', original), ('removed', removed))
            if not truth & {each.category for each in shown.prediction}
        ]
        warning = f'wrong: {", ".join(wrong)}' if wrong else ''
    return Tile(pictures, caption, warning)


def _without_photo(shown: PredictionView) -> PredictionView:
    return replace(shown, photo=np.full_like(shown.photo, _GREY))


def _in_words(annotations: Sequence[Annotation], classes: Sequence[str]) -> str:
    return ', '.join(
        f'{class_name(each.category, classes)} {each.score or 0:.2f}' for each in annotations
    )


def _legend(entries: Sequence[tuple[str, tuple[int, int, int]]], width: int) -> Image.Image:
    """Names of the classes beside patches of their colours."""
    inches = width / 150
    shown = [shorten(printable(name), _LEGEND_CHARACTERS) for name, _ in entries]
    needed = 0.3 + CHARACTER * max(map(len, shown), default=0)
    columns = max(1, min(_LEGEND_COLUMNS, int((inches - 0.44) / needed)))
    rows = -(-len(entries) // columns)
    height = rows * _LEGEND_LINE + 0.2
    figure = new_figure(inches, height)
    step = (inches - 0.44) / columns
    for i, (name, (_, colour)) in enumerate(zip(shown, entries, strict=True)):
        x = 0.22 + (i % columns) * step
        y = height - 0.2 - (i // columns) * _LEGEND_LINE
        patch = figure.add_axes((x / inches, (y - 0.02) / height, 0.14 / inches, 0.14 / height))
        patch.set(xticks=[], yticks=[], facecolor=[level / 255 for level in colour])
        figure.text((x + 0.2) / inches, y / height, name, size=8, color=INK, parse_math=False)
    return render(figure)
