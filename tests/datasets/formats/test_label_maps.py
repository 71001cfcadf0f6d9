"""Masks, label maps and instances, against slow and plain ways to compute the same."""

from __future__ import annotations

import numpy as np
import pytest

from bgremoval_mm.datasets.formats.categories import (
    CCP_CLASSES,
    FASHIONPEDIA_CLASSES,
    palette,
    prepared_folder,
)
from bgremoval_mm.datasets.formats.label_maps import (
    check_label_map,
    check_run_lengths,
    decode_mask,
    draw_label_map,
    instances_of,
)
from bgremoval_mm.removal.errors import ArgumentError

coco = pytest.importorskip('pycocotools.mask')

HEIGHT, WIDTH = 24, 32


def rectangle(x1: int, y1: int, x2: int, y2: int) -> list[float]:
    """Corners of a rectangle; COCO's rule fills columns x1 to x2 - 1 and rows y1 to y2 - 1."""
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def slow_decode(segmentation: list | dict) -> list[list[bool]]:
    """Rectangles by their corners, run-length codes by counting down the columns."""
    inside = [[False] * WIDTH for _ in range(HEIGHT)]
    if isinstance(segmentation, list):
        for x1, y1, _, _, x2, y2, _, _ in segmentation:
            for y in range(int(y1), int(y2)):
                for x in range(int(x1), int(x2)):
                    inside[y][x] = True
        return inside
    counts = segmentation['counts']
    if not isinstance(counts, list):
        # What pycocotools itself says it encodes, run by run.
        flat = coco.decode(segmentation).T.ravel()
        return [[bool(flat[x * HEIGHT + y]) for x in range(WIDTH)] for y in range(HEIGHT)]
    place, value = 0, False
    for count in counts:
        for index in range(place, place + count):
            inside[index % HEIGHT][index // HEIGHT] = value
        place, value = place + count, not value
    return inside


def slow_draw(annotations: list[dict], ground: int) -> np.ndarray:
    """For each pixel, the smallest covering instance; of equal ones that of the highest id."""
    masks = {each['id']: slow_decode(each['segmentation']) for each in annotations}
    area = {name: sum(map(sum, mask)) for name, mask in masks.items()}
    category = {each['id']: each['category_id'] for each in annotations}
    labels = np.full((HEIGHT, WIDTH), ground, np.uint8)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            covering = [name for name, mask in masks.items() if mask[y][x]]
            if covering:
                labels[y, x] = category[min(covering, key=lambda name: (area[name], -name))]
    return labels


def random_annotations(seed: int) -> list[dict]:
    """Overlapping instances of all three kinds, in mixed order of ids and sizes."""
    generator = np.random.default_rng(seed)
    annotations = []
    for name in generator.permutation(12).tolist():
        x1, y1 = generator.integers(0, 20), generator.integers(0, 14)
        x2, y2 = x1 + generator.integers(1, 12), y1 + generator.integers(1, 10)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8, order='F')
        mask[y1:y2, x1:x2] = generator.integers(0, 2, (y2 - y1, x2 - x1))
        code = coco.encode(mask)
        runs = np.flatnonzero(np.diff(mask.ravel('F'), prepend=0, append=0)).tolist()
        runs = np.diff([0, *runs, mask.size]).tolist()
        segmentation = [
            [rectangle(x1, y1, x2, y2), rectangle(20, 15, 23, 18)],
            {'size': [HEIGHT, WIDTH], 'counts': code['counts'].decode()},
            {'size': [HEIGHT, WIDTH], 'counts': runs},
        ][name % 3]
        annotations.append({'id': name, 'category_id': name + 7, 'segmentation': segmentation})
    return annotations


@pytest.mark.parametrize('seed', range(5))
def test_counts_that_end_early(seed: int) -> None:
    """pycocotools would decode the rest as what the memory held before."""
    generator = np.random.default_rng(seed)
    size = (97, 131)
    blocks = generator.integers(0, 2, (seed + 1, 2 * seed + 1), np.uint8)
    mask = np.asfortranarray(
        np.kron(blocks, np.ones((97, 131), np.uint8))[:: seed + 1, :: 2 * seed + 1]
    )
    text = coco.encode(mask)['counts'].decode()
    check_run_lengths(text, *size)
    check_run_lengths(text.encode(), *size)
    np.testing.assert_array_equal(decode_mask({'size': size, 'counts': text}, *size), mask)
    for end in range(len(text)):
        with pytest.raises(ArgumentError, match='the counts of a run-length code must'):
            decode_mask({'size': size, 'counts': text[:end]}, *size)
    with pytest.raises(ArgumentError, match=r'add up to 131 x 98 = 12838 pixels, but got 12707'):
        check_run_lengths(text, 98, 131)


@pytest.mark.parametrize(
    'counts', [[24.0], [True, 23], [-1, 25], ['24'], 24, 'é', '~', b'\x00', 'P']
)
def test_what_are_no_counts(counts: object) -> None:
    """Neither numbers nor the text of such."""
    with pytest.raises(ArgumentError, match='must be whole numbers from 0, or the text'):
        check_run_lengths(counts, 4, 6)


@pytest.mark.parametrize('strange', [None, float('nan'), float('inf'), '1'])
def test_coordinate_that_is_no_number(strange: object) -> None:
    """pycocotools would fill the memory with it until the process is killed."""
    with pytest.raises(ArgumentError, match='each coordinate of a polygon must be a number'):
        decode_mask([[0, 0, 5, 0, 5, 5], [strange, 1, 6, 1, 6, 6]], 8, 8)


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('with_background', [False, True])
def test_drawing(seed: int, with_background: bool) -> None:
    """Every pixel is what a slow reference makes it, whatever the order of the annotations."""
    annotations = random_annotations(seed)
    labels = draw_label_map(annotations, HEIGHT, WIDTH, with_background)
    expected = slow_draw(annotations, 46 if with_background else 255)
    assert labels.dtype == np.uint8
    assert labels.flags.c_contiguous
    assert np.array_equal(labels, expected)
    assert np.array_equal(
        draw_label_map(annotations[::-1], HEIGHT, WIDTH, with_background), expected
    )
    assert len(np.unique(expected)) > 6


def test_parts_lie_on_garments() -> None:
    """A pocket is seen on the coat, also if it comes first; equal areas go by annotation id."""
    coat = {'id': 9, 'category_id': 9, 'segmentation': [rectangle(2, 2, 20, 20)]}
    pocket = {'id': 3, 'category_id': 32, 'segmentation': [rectangle(4, 4, 8, 8)]}
    twin = {'id': 5, 'category_id': 33, 'segmentation': [rectangle(6, 4, 10, 8)]}
    labels = draw_label_map([pocket, coat, twin], HEIGHT, WIDTH)
    assert labels[5, 4:11].tolist() == [32, 32, 33, 33, 33, 33, 9]
    assert labels[0, 0] == 255


def test_no_annotation() -> None:
    """Nothing but background; a polygon of two points is nothing as well."""
    line = {'id': 1, 'category_id': 0, 'segmentation': [[1, 1, 9, 9]]}
    for nothing in ([], [line]):
        assert (draw_label_map(nothing, HEIGHT, WIDTH) == 255).all()
        assert (draw_label_map(nothing, HEIGHT, WIDTH, True) == 46).all()


@pytest.mark.parametrize(
    ('segmentation', 'said'),
    [
        ({'size': [WIDTH, HEIGHT], 'counts': [768]}, r'annotation 4: .* 32 x 24 .* has 24 x 32'),
        ({'size': [HEIGHT, WIDTH], 'counts': [700]}, r'annotation 4: .* 768 pixels, but got 700'),
    ],
)
def test_mask_of_another_size(segmentation: dict, said: str) -> None:
    """It is an error that names the annotation and both sizes."""
    annotation = {'id': 4, 'category_id': 0, 'segmentation': segmentation}
    with pytest.raises(ValueError, match=said):
        draw_label_map([annotation], HEIGHT, WIDTH)


def test_instances_of_a_label_map() -> None:
    """One instance a label: its pixels, its box, its area; the background is none."""
    labels = np.full((HEIGHT, WIDTH), 255, np.uint8)
    labels[3:9, 5:7] = 57
    labels[20, 30] = 57
    labels[10:12, 1:4] = 0
    first, second = instances_of(labels)
    assert [first['category_id'], second['category_id']] == [0, 57]
    assert [first['bbox'], second['bbox']] == [[1, 10, 3, 2], [5, 3, 26, 18]]
    assert [first['area'], second['area']] == [6, 13]
    for each in (first, second):
        mask = decode_mask(each['segmentation'], HEIGHT, WIDTH)
        assert np.array_equal(mask, labels == each['category_id'])
    numbered = [{**each, 'id': index} for index, each in enumerate((first, second))]
    assert np.array_equal(draw_label_map(numbered, HEIGHT, WIDTH), labels)


def test_check_of_a_label_map() -> None:
    """Channels, size and values are looked at; 255 is allowed."""
    classes = ('a', 'b')
    right = np.array([[0, 1, 255]], np.uint8)
    check_label_map(right, (1, 3), classes, 'x.png')
    with pytest.raises(ValueError, match=r'one channel.*but x\.png has 3'):
        check_label_map(np.zeros((1, 3, 3), np.uint8), (1, 3), classes, 'x.png')
    with pytest.raises(ValueError, match=r'its image, 3 x 2 pixels, but x\.png has 3 x 1'):
        check_label_map(right, (2, 3), classes, 'x.png')
    with pytest.raises(ValueError, match=r'from 0 to 1, or 255 for none, but x\.png holds 2, 254'):
        check_label_map(np.array([[2, 254, 0]], np.uint8), (1, 3), classes, 'x.png')


def test_ontology() -> None:
    """46 and 58 different names, and as many different colours, none of them black."""
    assert len(set(FASHIONPEDIA_CLASSES)) == 46
    assert FASHIONPEDIA_CLASSES.index('hood') == 27
    assert len(set(CCP_CLASSES)) == 58
    assert (CCP_CLASSES[0], CCP_CLASSES[57]) == ('accessories', 'wedges')
    assert palette(3) == [(128, 0, 0), (0, 128, 0), (128, 128, 0)]  # PASCAL VOC's first
    assert len(set(palette(58)) - {(0, 0, 0)}) == 58


def test_place_of_what_is_prepared(tmp_path, monkeypatch) -> None:
    """It is beside the dataset, however its folder is written."""
    assert str(prepared_folder('data/ccp')) == str(prepared_folder('data/ccp/'))
    assert str(prepared_folder('data/ccp')) == 'data/ccp-prepared'
    (tmp_path / 'ccp').mkdir()
    monkeypatch.chdir(tmp_path / 'ccp')
    assert prepared_folder('.') == tmp_path / 'ccp-prepared'
