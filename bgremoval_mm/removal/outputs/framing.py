"""Framing of cut-outs: pure functions from an object's box to its place in the result."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.options import Framing

__all__ = ['Box', 'Placement', 'object_box', 'place', 'placement_of']

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels; x1 and y1 lie just outside

# Share above which a pixel counts as the object's: a network leaves levels of 1 or 2 anywhere.
_OBJECT = 0.1


@dataclass(frozen=True)
class Placement:
    """Where a photo comes to lie in the result: pixel x of the photo goes to ``scale x + left``.

    Attributes:
        scale: Result's pixels per pixel of the photo.
        left: Of the photo's left edge, in the result's pixels; may be negative.
        top: Of its upper edge.
        size: (width, height) of the result.
        is_reduced: Whether the object had to be made smaller than `align` says, in order to fit.
    """

    scale: float
    left: float
    top: float
    size: tuple[int, int]
    is_reduced: bool = False


def object_box(mask: np.ndarray) -> Box | None:
    """Return the smallest box around the object, None if there is none.

    Args:
        mask: uint8 array of shape (H, W).
    """
    return masks.bounding_box(mask, _OBJECT)


def placement_of(
    framing: Framing, box: Box | None, size: tuple[int, int], below: float = 0
) -> Placement:
    """Return where a photo comes to lie in the result.

    Args:
        framing: What is asked for.
        box: The object's box; None takes the whole photo for the object, without a margin.
        size: (width, height) of the photo.
        below: Pixels of the photo that are needed below the object, for its shadow.
    """
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    if framing.align is not None:
        return _align(framing, box or whole)
    frame = whole
    if framing.crop is not None and box is not None:
        frame = _with_margin(box, framing, below)
    if framing.aspect is not None:
        frame = _with_aspect(frame, framing.aspect_value)
    width, height = frame[2] - frame[0], frame[3] - frame[1]
    if framing.canvas is None:
        size = (max(1, round(width)), max(1, round(height)))
        return Placement(1.0, -round(frame[0]), -round(frame[1]), size)
    canvas = framing.canvas_value
    scale = min(canvas[0] / width, canvas[1] / height)
    left = (canvas[0] - scale * (frame[0] + frame[2])) / 2
    top = (canvas[1] - scale * (frame[1] + frame[3])) / 2
    return Placement(scale, left, top, canvas)


def place(layers: np.ndarray, placement: Placement) -> np.ndarray:
    """Move and scale a photo's layers into the result; outside the photo they are 0.

    Where nothing is scaled, pixels are copied. Reduction averages areas, enlargement is bicubic,
    and the photo is placed at whole pixels.

    Args:
        layers: uint8 or float32 array of shape (H, W) or (H, W, C): the mask, or colours that are
            multiplied by it, so that a hidden pixel does not bleed into a visible one.
        placement: Where it goes.

    Returns:
        Array of that dtype and of the result's height and width.
    """
    width, height = placement.size
    result = np.zeros((height, width, *layers.shape[2:]), layers.dtype)
    columns = _overlap(placement.left, placement.scale, layers.shape[1], width)
    rows = _overlap(placement.top, placement.scale, layers.shape[0], height)
    if columns is None or rows is None:
        return result
    (from_x, to_x), (from_y, to_y) = columns, rows
    part = layers[from_y, from_x]
    new = (to_x.stop - to_x.start, to_y.stop - to_y.start)
    if placement.scale != 1:
        method = cv2.INTER_AREA if placement.scale < 1 else cv2.INTER_CUBIC
        part = cv2.resize(np.ascontiguousarray(part), new, interpolation=method)
    inside_x = slice(max(0, to_x.start), min(width, to_x.stop))
    inside_y = slice(max(0, to_y.start), min(height, to_y.stop))
    result[inside_y, inside_x] = part[
        inside_y.start - to_y.start : inside_y.stop - to_y.start,
        inside_x.start - to_x.start : inside_x.stop - to_x.start,
    ]
    return result


def _overlap(start: float, scale: float, length: int, room: int) -> tuple[slice, slice] | None:
    """Return the photo's pixels along an axis that are seen, and where they go in the result.

    They are whole pixels of the photo, so that where they go may begin before 0.
    """
    first = max(0, int(np.floor(-start / scale)))
    last = min(length, int(np.ceil((room - start) / scale)))
    begin, end = round(start + scale * first), round(start + scale * last)
    if scale == 1:  # copied: where both ends are halves, rounding them would change the length
        end = begin + last - first
    if last <= first or end <= 0 or begin >= room:
        return None
    return slice(first, last), slice(begin, max(begin + 1, end))


def _with_margin(box: Box, framing: Framing, below: float) -> Box:
    size, unit = framing.crop_value
    margin = size if unit == 'px' else size / 100 * max(box[2] - box[0], box[3] - box[1])
    return (
        box[0] - margin,
        box[1] - margin,
        box[2] + margin,
        box[3] + max(margin, below),
    )


def _with_aspect(frame: Box, aspect: float) -> Box:
    """Return the smallest frame of that aspect around the same centre that holds a frame."""
    width, height = frame[2] - frame[0], frame[3] - frame[1]
    wide, high = max(width, height * aspect), max(height, width / aspect)
    x, y = (frame[0] + frame[2]) / 2, (frame[1] + frame[3]) / 2
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def _align(framing: Framing, box: Box) -> Placement:
    (width, height), (side, share) = framing.canvas_value, framing.align_value
    wide, high = box[2] - box[0], box[3] - box[1]
    most = (1 + share) / 2  # of the canvas: at least half of the usual margin is left
    baseline = height * most
    wanted = share * (height / high if side == 'height' else width / wide)
    scale = min(wanted, width * most / wide, baseline / high)
    left = width / 2 - scale * (box[0] + box[2]) / 2
    return Placement(scale, left, baseline - scale * box[3], (width, height), scale < wanted)
