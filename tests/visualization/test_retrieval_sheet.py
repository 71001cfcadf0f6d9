"""Retrieval sheets: ranks in green and red, what is printed, and what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.retrieval_sheet import (
    Query,
    RankedPhoto,
    draw_retrieval_sheet,
    read_hits,
)

GREEN, RED, BLACK = (26, 127, 55), (207, 34, 46), (31, 35, 40)


def pixels_of(sheet: Image.Image, colour: tuple[int, int, int]) -> int:
    """How many pixels have that colour."""
    return int((np.asarray(sheet) == colour).all(axis=2).sum())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A white photo."""
    path = tmp_path / 'white.png'
    Image.new('RGB', (60, 80), 'white').save(path)
    return path


@pytest.mark.parametrize(
    ('right', 'shown', 'absent'),
    [((True,), [GREEN], [RED]), ((False,), [RED], [GREEN]), ((True, False), [GREEN, RED], [])],
)
def test_colours(photo: Path, right: tuple[bool, ...], shown: list, absent: list) -> None:
    """Green where the item is right, red where it is another one."""
    hits = [RankedPhoto(photo, 0.9, each) for each in right]
    sheet = draw_retrieval_sheet([Query(photo, 'q', hits)], ('', ''), len(hits), names=False)
    for colour in shown:
        assert pixels_of(sheet, colour) > 200
    for colour in absent:
        assert pixels_of(sheet, colour) == 0


def test_unknown_items_are_neither(photo: Path) -> None:
    """Of a shop's own photos nobody has said which are the same."""
    array = np.full((40, 30, 3), 255, np.uint8)
    sheet = draw_retrieval_sheet([Query(array, 'q', [RankedPhoto(photo, 0.9)])], ('', ''), 1)
    assert pixels_of(sheet, GREEN) == pixels_of(sheet, RED) == 0
    assert pixels_of(sheet, BLACK) > 200


def test_missing_photos_and_hits(photo: Path) -> None:
    """A photo that is gone is said in its place; so is that there are no further hits."""
    hits = [RankedPhoto(photo.with_name('gone.png'), 0.5, True)]
    sheet = draw_retrieval_sheet([Query(photo, 'q', hits)], ('', ''))
    assert pixels_of(sheet, RED) > 50  # the words
    assert pixels_of(sheet, GREEN) == 0


def test_nothing_to_draw(photo: Path) -> None:
    """At least one query, and one hit."""
    with pytest.raises(ArgumentError, match=r'^`queries` must be one or more, .* got 0 queries'):
        draw_retrieval_sheet([], ('', ''))
    with pytest.raises(ArgumentError, match=r'but got 1 queries and 0$'):
        draw_retrieval_sheet([Query(photo, '', [])], ('', ''), shown=0)


def test_read_hits(tmp_path: Path) -> None:
    """Hits by query, in their order; some queries, evenly spaced."""
    path = tmp_path / 'hits.csv'
    rows = ['query,query_item,rank,photo,item,similarity,right']
    for number in range(5):
        rows += [f'q{number}.jpg,i{number},{rank},{rank}.jpg,x,0.{9 - rank},1' for rank in (1, 2)]
    path.write_text('\n'.join(rows))
    found = read_hits(path)
    assert [query.name for query in found] == [f'q{number}.jpg (i{number})' for number in range(5)]
    assert found[0].hits == [
        RankedPhoto(Path('1.jpg'), 0.8, True),
        RankedPhoto(Path('2.jpg'), 0.7, True),
    ]
    assert [str(query.photo) for query in read_hits(path, 3)] == ['q0.jpg', 'q2.jpg', 'q4.jpg']


def test_read_hits_whose_names_are_no_utf8(tmp_path: Path) -> None:
    """The photo is found by its own bytes."""
    (tmp_path / 'hits.csv').write_bytes(
        b'query,query_item,rank,photo,item,similarity,right\nMu\xf1oz.jpg,a,1,\xf1.jpg,a,0.9,1\n'
    )
    (query,) = read_hits(tmp_path / 'hits.csv')
    assert os.fsencode(query.photo) == b'Mu\xf1oz.jpg'
    assert os.fsencode(query.hits[0].photo) == b'\xf1.jpg'
    drawn = draw_retrieval_sheet([query], ('', ''))
    assert drawn.width > 0
