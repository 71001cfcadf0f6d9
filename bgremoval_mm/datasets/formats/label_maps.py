"""From instances to label maps and back: pure functions on annotations and pixels.

pycocotools does the decoding. It is imported where it is used, because this package must be
importable without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bgremoval_mm.datasets.formats.categories import BACKGROUND, IGNORED
from bgremoval_mm.removal.errors import ArgumentError


def is_polygon(points: Any) -> bool:
    """Tell whether coordinates, [x1, y1, x2, y2...], can be drawn: three points or more."""
    return isinstance(points, list) and len(points) >= 6 and len(points) % 2 == 0


def are_numbers(values: Any) -> bool:
    """Tell whether all coordinates are numbers, and none is NaN or infinite.

    pycocotools would take what is not for a point beyond all bounds, and fill the memory.
    """
    try:
        return math.isfinite(sum(values))
    except (TypeError, OverflowError):
        return False


def check_run_lengths(counts: Any, height: int, width: int) -> None:
    """Check that the counts of a run-length code add up to the pixels of the image.

    Of counts that end early, pycocotools decodes the rest as what the memory held before.

    Args:
        counts: COCO's, compressed (str or bytes) or plain (list of int).
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Raises:
        ValueError: If they do not, or are no counts.
    """
    lengths: Any = _expand_counts(counts) if isinstance(counts, str | bytes) else counts
    are_whole = isinstance(lengths, list) and all(type(each) is int for each in lengths)
    if not are_whole or min(lengths, default=0) < 0:
        msg = (
            'the counts of a run-length code must be whole numbers from 0, or the text that '
            f'pycocotools makes of them, but got {counts!r:.80}'
        )
        raise ArgumentError(msg)
    if sum(lengths) != height * width:
        msg = (
            f'the counts of a run-length code must add up to {width} x {height} = '
            f'{width * height} pixels, but got {sum(lengths)}'
        )
        raise ArgumentError(msg)


def _expand_counts(text: str | bytes) -> list[int] | None:
    """Return compressed counts as numbers; None if the text is of another kind.

    The format is that of rleToString in COCO's maskApi.c: a character less 48 has five bits of a
    number, the lowest ones first, and 32 where more follow; the highest bit is the sign. From the
    fourth number on, each is the difference from the one before the last.
    """
    counts: list[int] = []
    number = shift = 0
    for character in text.encode() if isinstance(text, str) else text:
        part = character - 48
        if not 0 <= part < 64:
            return None
        number |= (part & 31) << shift
        shift += 5
        if part & 32:
            continue
        if part & 16:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = shift = 0
    return None if shift else counts


def decode_mask(segmentation: list[Any] | Mapping[str, Any], height: int, width: int) -> np.ndarray:
    """Decode the pixels of an instance.

    Args:
        segmentation: COCO's: a list of polygons, whose union it is, or a run-length code, with
            compressed (str or bytes) or plain (list of int) counts. Polygons that cannot be drawn
            are left out.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        uint8 of shape (height, width), in Fortran order, 1 inside.

    Raises:
        ValueError: If a run-length code is of another size than the image, or a coordinate is not
            a number.
    """
    from pycocotools import mask as coco

    if isinstance(segmentation, Mapping):
        size = [int(side) for side in segmentation['size']]
        if size != [height, width]:
            msg = (
                f'the mask must have the size of its image, {width} x {height} pixels, but has '
                f'{size[1]} x {size[0]}'
            )
            raise ArgumentError(msg)
        check_run_lengths(segmentation['counts'], height, width)
        code = dict(segmentation)
        if isinstance(code['counts'], list):
            code = coco.frPyObjects(code, height, width)
        return np.asarray(coco.decode(code))
    polygons = [points for points in segmentation if is_polygon(points)]
    if not polygons:
        return np.zeros((height, width), np.uint8, order='F')
    if not all(map(are_numbers, polygons)):
        msg = 'each coordinate of a polygon must be a number, but one is not'
        raise ArgumentError(msg)
    return np.asarray(coco.decode(coco.merge(coco.frPyObjects(polygons, height, width))))


def draw_label_map(
    annotations: Iterable[Mapping[str, Any]],
    height: int,
    width: int,
    with_background: bool = False,
) -> np.ndarray:
    """Paint the instances of an image into one map of category indices.

    Larger instances are painted first, so that a part (a pocket) lies on its garment: where several
    overlap, a pixel belongs to the one with the fewest pixels, and among equally large ones to the
    one with the highest annotation id. Crowds are painted as other instances are.

    Args:
        annotations: COCO annotations with ``id``, ``category_id`` and ``segmentation``.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        with_background: Make what no instance covers class 46 instead of 255, which is ignored.

    Returns:
        uint8 of shape (height, width): category index, and background.

    Raises:
        ValueError: If a mask is not of the image's size; names the annotation.
    """
    layers = []
    for annotation in annotations:
        try:
            inside = decode_mask(annotation['segmentation'], height, width).view(bool)
        except ValueError as err:
            msg = f'annotation {annotation["id"]}: {err}'
            raise ArgumentError(msg) from err
        layers.append((-int(inside.sum()), annotation['id'], annotation['category_id'], inside))
    # pycocotools decodes into Fortran order; painting in the same order is several times faster.
    ground = BACKGROUND if with_background else IGNORED
    labels = np.full((height, width), ground, np.uint8, order='F')
    for _, _, category, inside in sorted(layers, key=lambda layer: layer[:2]):
        labels[inside] = category
    return np.ascontiguousarray(labels)


def instances_of(labels: np.ndarray) -> list[dict[str, Any]]:
    """Return one instance for each label of a map: all pixels of that label.

    Args:
        labels: uint8 of shape (H, W): class index, or 255 for none.

    Returns:
        COCO annotations in the order of labels, with ``category_id``, ``segmentation`` (compressed
        run-length code), ``bbox`` (x, y, width, height), ``area`` in pixels and ``iscrowd``;
        without ``id`` and ``image_id``.
    """
    from pycocotools import mask as coco

    instances = []
    for label in np.unique(labels):
        if label == IGNORED:
            continue
        code = coco.encode(np.asfortranarray(labels == label, dtype=np.uint8))
        instances.append({
            'category_id': int(label),
            'segmentation': {'size': code['size'], 'counts': code['counts'].decode()},
            'bbox': [float(side) for side in coco.toBbox(code)],
            'area': int(coco.area(code)),
            'iscrowd': 0,
        })  # fmt: skip
    return instances


def check_label_map(
    labels: np.ndarray, size: tuple[int, int], classes: Sequence[str], source: Any
) -> None:
    """Raise ArgumentError unless an array is the label map of an image.

    Args:
        labels: Label map to be, uint8 of shape (H, W).
        size: Height and width of the image in pixels.
        classes: Names of the classes; their indices and 255 are allowed.
        source: File that it comes from, for the error.
    """
    if labels.ndim != 2:
        channels = labels.shape[-1]
        msg = (
            f'a label map must have one channel, whose values are class indices, but {source} has '
            f'{channels}; it may be a picture in colours. Draw it again with '
            'tools/prepare_dataset.py.'
        )
        raise ArgumentError(msg)
    if labels.shape != tuple(size):
        height, width = labels.shape
        msg = (
            f'a label map must have the size of its image, {size[1]} x {size[0]} pixels, but '
            f'{source} has {width} x {height}. Draw it again with tools/prepare_dataset.py.'
        )
        raise ArgumentError(msg)
    used = np.flatnonzero(np.bincount(labels.ravel(), minlength=IGNORED + 1))
    unknown = [int(value) for value in used if len(classes) <= value != IGNORED]
    if unknown:
        msg = (
            f'a label map must hold class indices from 0 to {len(classes) - 1}, or {IGNORED} for '
            f'none, but {source} holds {", ".join(map(str, unknown))}. Draw it again with '
            'tools/prepare_dataset.py.'
        )
        raise ArgumentError(msg)
