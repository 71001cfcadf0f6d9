"""Checks of a COCO annotation file before anything is made of it.

mmdet passes annotations of unknown categories over, fails with an unexplained KeyError or
AssertionError on others, and notices a mask of the wrong size in the middle of a training.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgremoval_mm.datasets.formats.label_maps import are_numbers, check_run_lengths, is_polygon
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

_LISTS = ('images', 'annotations', 'categories')
_IMAGE_KEYS = ('id', 'file_name', 'height', 'width')
_ANNOTATION_KEYS = ('id', 'image_id', 'category_id', 'segmentation', 'bbox', 'area')


@dataclass(frozen=True)
class Tally:
    """How many annotations of a file are of which kind.

    Attributes:
        images: Number of images.
        polygons: Annotations with polygons.
        rle: Annotations with a run-length code.
        crowds: Annotations with ``iscrowd``, whatever their segmentation.
        empty: Annotations with polygons none of which can be drawn; mmdet ignores them.
    """

    images: int
    polygons: int
    rle: int
    crowds: int
    empty: int

    def __str__(self) -> str:
        return (
            f'{self.images:,} images, {self.polygons + self.rle:,} annotations '
            f'({self.polygons:,} polygons, {self.rle:,} RLE; {self.crowds:,} of them crowds, '
            f'{self.empty:,} without a polygon that can be drawn)'
        )


def read_coco(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is no JSON.
    """
    if not path.is_file():
        msg = f'{path} is missing'
        raise FileNotFoundError(msg)
    try:
        return json.loads(path.read_bytes())
    except ValueError as err:
        msg = f'{path} is no JSON file, or a part of one ({err}). Get it again.'
        raise ArgumentError(msg) from err


def check_coco(content: Any, classes: Sequence[str], source: Any) -> Tally:
    """Check that annotations are COCO's, and of these classes.

    Args:
        content: What the JSON file holds.
        classes: Names of the categories, whose ids are 0, 1, 2...
        source: The file, for errors.

    Returns:
        Numbers of polygons, run-length codes and crowds.

    Raises:
        ValueError: If it is a JSON of another kind; has other categories or another order of them;
            has an annotation or image id twice; an annotation lacks something, belongs to no image
            or category, has a mask of another size than its image or of a run-length code that does
            not add up to it, or has a box or a polygon that is not of numbers.
    """
    _check_kind(content, source)
    _check_categories(content['categories'], classes, source)
    images, annotations = content['images'], content['annotations']
    _check_keys(images, _IMAGE_KEYS, 'image', source)
    _check_keys(annotations, _ANNOTATION_KEYS, 'annotation', source)
    _check_unique((image['id'] for image in images), 'image', source)
    _check_unique((each['id'] for each in annotations), 'annotation', source)
    sizes = {image['id']: (image['height'], image['width']) for image in images}
    counts: Counter[str] = Counter()
    for each in annotations:
        counts[_check_annotation(each, sizes, classes, source)] += 1
        counts['crowd'] += bool(each.get('iscrowd'))
    return Tally(
        len(images),
        counts['polygons'] + counts['empty'],
        counts['rle'],
        counts['crowd'],
        counts['empty'],
    )


def _check_kind(content: Any, source: Any) -> None:
    if not isinstance(content, dict):
        kind = type(content).__name__
        msg = f'{source} must hold a COCO dataset, which is a JSON object, but holds a {kind}'
        raise ArgumentError(msg)
    missing = [key for key in _LISTS if not isinstance(content.get(key), list)]
    if missing:
        msg = (
            f'{source} must hold a COCO dataset, with lists named {", ".join(_LISTS)}, but has no '
            f'{", ".join(missing)}; it holds {first_few(sorted(map(str, content))) or "nothing"}. '
            'A file of results or of a test set cannot be used for training or validation.'
        )
        raise ArgumentError(msg)


def _check_categories(categories: list[Any], classes: Sequence[str], source: Any) -> None:
    _check_keys(categories, ('id', 'name'), 'category', source)
    found = [(each['id'], each['name']) for each in categories]
    expected = list(enumerate(classes))
    if found != expected:
        index = next(
            (i for i, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]),
            min(len(found), len(expected)),
        )
        at = [
            f'{pairs[index][1]!r} with id {pairs[index][0]!r}' if index < len(pairs) else 'nothing'
            for pairs in (expected, found)
        ]
        msg = (
            f'{source} must have {len(expected)} categories with ids from 0 in their known order, '
            f'but has {len(found)}, and at index {index} not {at[0]} but {at[1]}. It is of another '
            'dataset or release.'
        )
        raise ArgumentError(msg)


def _check_keys(entries: list[Any], keys: Sequence[str], kind: str, source: Any) -> None:
    for place, entry in enumerate(entries):
        missing = [key for key in keys if not isinstance(entry, dict) or entry.get(key) is None]
        if missing:
            name = entry.get('id') if isinstance(entry, dict) else None
            msg = f'{source}: {kind} {name} (entry {place}) has no {", ".join(missing)}'
            raise ArgumentError(msg)


def _check_unique(ids: Iterable[Any], kind: str, source: Any) -> None:
    twice = sorted(str(name) for name, count in Counter(ids).items() if count > 1)
    if twice:
        msg = (
            f'{source} has {len(twice):,} {kind} ids more than once: {first_few(twice)}. An early '
            'release of Fashionpedia had this fault; get the file again.'
        )
        raise ArgumentError(msg)


def _check_annotation(
    annotation: Mapping[str, Any],
    sizes: Mapping[Any, tuple[int, int]],
    classes: Sequence[str],
    source: Any,
) -> str:
    """Check one annotation; return its kind of segmentation: 'polygons', 'empty' or 'rle'."""
    name = f'{source}: annotation {annotation["id"]}'
    if annotation['category_id'] not in range(len(classes)):
        msg = (
            f'{name} has category id {annotation["category_id"]!r}, but the ids are 0 to '
            f'{len(classes) - 1}'
        )
        raise ArgumentError(msg)
    if annotation['image_id'] not in sizes:
        msg = f'{name} belongs to image {annotation["image_id"]!r}, which the file does not have'
        raise ArgumentError(msg)
    box, segmentation = annotation['bbox'], annotation['segmentation']
    if not isinstance(box, list) or len(box) != 4 or not are_numbers(box):
        msg = f'{name} must have four numbers as bbox, but has {box!r}'
        raise ArgumentError(msg)
    if isinstance(segmentation, list):
        polygons = [points for points in segmentation if is_polygon(points)]
        if not all(map(are_numbers, polygons)):
            msg = f'{name} must have numbers as coordinates of its polygons, but one is not'
            raise ArgumentError(msg)
        return 'polygons' if polygons else 'empty'
    if not isinstance(segmentation, dict) or not {'size', 'counts'} <= set(segmentation):
        msg = f'{name} must have polygons or an RLE (size, counts) as segmentation'
        raise ArgumentError(msg)
    height, width = sizes[annotation['image_id']]
    if list(segmentation['size']) != [height, width]:
        msg = (
            f'{name} must have a mask of the size of its image, [{height}, {width}] (height, '
            f'width), but it has {list(segmentation["size"])}'
        )
        raise ArgumentError(msg)
    try:
        check_run_lengths(segmentation['counts'], height, width)
    except ValueError as err:
        msg = f'{name}: {err}'
        raise ArgumentError(msg) from err
    return 'rle'
