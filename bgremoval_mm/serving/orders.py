"""What is ordered of a picture, and what is delivered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.options import Framing, OutputOptions
from bgremoval_mm.removal.outputs.framing import Box, Placement, object_box, placement_of
from bgremoval_mm.removal.outputs.shadow import REACH
from bgremoval_mm.serving.errors import RequestError

__all__ = ['Cutout', 'Order', 'check_result_size', 'locate', 'reduce']


@dataclass(frozen=True)
class Order:
    """What a request asks for.

    Attributes:
        content: The picture's file.
        model: Name of the network.
        output: What is made of it, and how.
        most_pixels: The photo is reduced to so many pixels first; None keeps its size.
        needs_object: Whether a picture without an object is refused; the object's box is then told.
    """

    content: bytes
    model: str
    output: OutputOptions
    most_pixels: int | None = None
    needs_object: bool = False


@dataclass(frozen=True)
class Cutout:
    """What a request is answered with.

    Attributes:
        content: The result's file.
        media_type: Its kind, such as ``image/png``.
        size: (width, height) of the result in pixels.
        photo_size: (width, height) of the photo, upright.
        note: What a user should know, or nothing.
        box: The object's box in the result, if it was asked for: x0, y0, x1, y1 in pixels.
    """

    content: bytes
    media_type: str
    size: tuple[int, int]
    photo_size: tuple[int, int]
    note: str = ''
    box: Box | None = None


def reduce(source: SourceImage, most_pixels: int | None) -> SourceImage:
    """Return a photo with so many pixels at most, by averaging areas; never enlarged."""
    width, height = source.size
    if most_pixels is None or width * height <= most_pixels:
        return source
    scale = (most_pixels / (width * height)) ** 0.5
    size = (max(1, int(scale * width)), max(1, int(scale * height)))
    rgb, alpha = (
        None if layer is None else cv2.resize(layer, size, interpolation=cv2.INTER_AREA)
        for layer in (source.rgb, source.alpha)
    )
    assert rgb is not None
    return replace(source, pixels=rgb, alpha=alpha, size=size)


def locate(mask: np.ndarray, size: tuple[int, int], output: OutputOptions) -> Box | None:
    """Return the object's box in the result, None if there is no object.

    Args:
        mask: uint8 array of shape (h, w), at any resolution.
        size: (width, height) of the photo.
        output: What is made of it.
    """
    box = object_box(masks.resize(mask, size))
    if box is None or output.framing is None:
        return box
    placed = _placement(box, size, output, output.framing)
    (left, top), scale = (placed.left, placed.top), placed.scale
    return (
        max(0.0, scale * box[0] + left),
        max(0.0, scale * box[1] + top),
        min(float(placed.size[0]), scale * box[2] + left),
        min(float(placed.size[1]), scale * box[3] + top),
    )


def check_result_size(
    mask: np.ndarray, size: tuple[int, int], output: OutputOptions, max_pixels: int
) -> None:
    """Refuse a result that margins or an aspect make too large, before it is made.

    Args:
        mask: uint8 array of shape (h, w), at any resolution.
        size: (width, height) of the photo.
        output: What is made of it.
        max_pixels: Most pixels that a result may have.

    Raises:
        RequestError: If it has more.
    """
    framing = output.framing
    if framing is None:
        return
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    for box in (whole, object_box(masks.resize(mask, size))):
        width, height = _placement(box, size, output, framing).size
        # A box is within the photo, so that its result is not larger than the whole photo's.
        if width * height <= max_pixels:
            return
    detail = f'{width} x {height} pixels are more than the limit of {max_pixels:,}'
    raise RequestError(400, 'result_too_large', 'The result would be too large', detail)


def _placement(
    box: Box | None, size: tuple[int, int], output: OutputOptions, framing: Framing
) -> Placement:
    needs_room = output.shadow and box is not None
    below = REACH * max(box[2] - box[0], box[3] - box[1]) if needs_room and box else 0.0
    return placement_of(framing, box, size, below)
