"""Annotation files: what is counted, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from bgremoval_mm.datasets.formats.coco import check_coco, read_coco

CLASSES = ('shirt, blouse', 'hood')
GOOD = {
    'images': [
        {'id': 7, 'file_name': 'a.jpg', 'height': 4, 'width': 6},
        {'id': 8, 'file_name': 'b.jpg', 'height': 4, 'width': 6},
    ],
    'annotations': [
        {'id': 1, 'image_id': 7, 'category_id': 0, 'bbox': [0, 0, 2, 2], 'area': 4, 'iscrowd': 0,
         'segmentation': [[0, 0, 2, 0, 2, 2]]},
        {'id': 2, 'image_id': 7, 'category_id': 1, 'bbox': [0, 0, 2, 2], 'area': 4, 'iscrowd': 1,
         'segmentation': {'size': [4, 6], 'counts': [0, 4, 20]}},
        {'id': 3, 'image_id': 8, 'category_id': 1, 'bbox': [0, 0, 2, 2], 'area': 4,
         'segmentation': [[0, 0, 2, 2]]},
    ],
    'categories': [{'id': 0, 'name': 'shirt, blouse'}, {'id': 1, 'name': 'hood'}],
}  # fmt: skip


def test_tally() -> None:
    """Polygons, run-length codes, crowds, and polygons of too few points are counted."""
    tally = check_coco(GOOD, CLASSES, 'x.json')
    assert (tally.images, tally.polygons, tally.rle, tally.crowds, tally.empty) == (2, 2, 1, 1, 1)
    assert str(tally).startswith('2 images, 3 annotations (2 polygons, 1 RLE; 1 of them crowds')


def edit(path: str, value: object) -> Callable[[dict], None]:
    """A function that sets or, for None, deletes an entry like ``annotations/1/id``."""

    def change(content: dict) -> None:
        *parts, last = (int(part) if part.isdigit() else part for part in path.split('/'))
        for part in parts:
            content = content[part]
        if value is None:
            del content[last]
        else:
            content[last] = value

    return change


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (edit('annotations/1/id', 1), r'1 annotation ids more than once: 1\. '),
        (edit('images/1/id', 7), r'1 image ids more than once: 7\. '),
        (edit('annotations/0/category_id', 2), r'annotation 1 has category id 2, .* are 0 to 1'),
        (edit('annotations/0/category_id', -1), r'annotation 1 has category id -1'),
        (edit('annotations/0/image_id', 9), r'annotation 1 belongs to image 9, which'),
        (edit('annotations/1/segmentation/size', [6, 4]), r'\[4, 6\].*but it has \[6, 4\]'),
        (edit('annotations/1/segmentation/counts', [0, 4, 19]), r'annotation 2: .*= 24 .* got 23'),
        (edit('annotations/1/segmentation/counts', [0, 4, -4, 24]), r'annotation 2: .* got \[0, 4'),
        (edit('annotations/1/segmentation/counts', '0'), r'annotation 2: .*= 24 .* got 0'),
        (edit('annotations/1/segmentation/counts', 'P'), r"annotation 2: .* got 'P'"),
        (edit('annotations/1/segmentation', 'abc'), r'annotation 2 must have polygons or an RLE'),
        (edit('annotations/0/bbox', None), r'annotation 1 \(entry 0\) has no bbox'),
        (edit('annotations/0/bbox', [0, 0, 2]), r'annotation 1 must have four numbers as bbox'),
        (edit('annotations/0/bbox/2', float('nan')), r'annotation 1 must have four numbers'),
        (edit('annotations/0/segmentation/0/2', 'x'), r'annotation 1 must have numbers as coord'),
        (edit('annotations/0/segmentation', [[None] * 6]), r'annotation 1 must have numbers as'),
        (edit('annotations/0/segmentation/0', [[0, 1]] * 6), r'annotation 1 must have numbers as'),
        (edit('images/0/height', None), r'image 7 \(entry 0\) has no height'),
        (edit('annotations', None), r'has no annotations; it holds categories, images\. '),
        (edit('categories/1/name', 'hat'), r"index 1 not 'hood' with id 1 but 'hat' with id 1"),
        (edit('categories/1/id', 2), r"index 1 not 'hood' with id 1 but 'hood' with id 2"),
        (edit('categories/1', None), r"has 1, and at index 1 not 'hood' with id 1 but nothing"),
        (edit('categories', []), r'must have 2 categories .* but has 0'),
    ],
)
def test_what_is_refused(change: Callable[[dict], None], said: str) -> None:
    """The error names the file, the entry and what came."""
    content = copy.deepcopy(GOOD)
    change(content)
    with pytest.raises(ValueError, match=said) as caught:
        check_coco(content, CLASSES, 'x.json')
    assert str(caught.value).startswith('x.json')


def test_json_of_another_kind(tmp_path: Path) -> None:
    """A list of results, a half file and no file are told apart."""
    with pytest.raises(ValueError, match=r'which is a JSON object, but holds a list'):
        check_coco([{'image_id': 1}], CLASSES, 'x.json')
    (tmp_path / 'half.json').write_text('{"images": [')
    with pytest.raises(ValueError, match=r'half\.json is no JSON file, or a part of one'):
        read_coco(tmp_path / 'half.json')
    with pytest.raises(FileNotFoundError, match=r'none\.json is missing'):
        read_coco(tmp_path / 'none.json')
