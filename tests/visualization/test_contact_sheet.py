"""Contact sheets."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles

BLUE, GREEN = (0, 0, 255), (0, 255, 0)


def plain(colour: tuple[int, int, int], height: int = 30, width: int = 30) -> np.ndarray:
    """A picture of one colour."""
    return np.full((height, width, 3), colour, np.uint8)


def where(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Box around a colour's pixels: left, top, right, bottom."""
    rows, columns = np.nonzero((np.asarray(image) == colour).all(axis=2))
    return columns.min(), rows.min(), columns.max(), rows.max()


def reds(image: Image.Image) -> int:
    """Number of clearly red pixels."""
    pixels = np.asarray(image).astype(int)
    return int((pixels[..., 0] - pixels[..., 1:].max(axis=2) > 100).sum())


def test_pictures_stand_side_by_side_in_their_shape() -> None:
    """Two pictures of 1.25 inches at 150 dpi; the flat one keeps its shape of 2 to 1."""
    tile = Tile((plain(BLUE), plain(GREEN, 30, 60)), ('a.jpg', 'dress'))
    image = draw_tiles([tile], ('original', 'removed'), ('title', 'line'))
    left, top, right, bottom = where(image, BLUE)
    assert right - left == pytest.approx(1.25 * 150, abs=5)
    assert bottom - top == pytest.approx(right - left, abs=2)
    x0, y0, x1, y1 = where(image, GREEN)
    assert x0 > right
    assert x1 - x0 == pytest.approx(2 * (y1 - y0), abs=4)
    assert top < y0 < y1 < bottom


def test_tiles_go_row_by_row() -> None:
    """The second of two columns is to the right, the third tile below the first."""
    tiles = [Tile((plain(colour),)) for colour in ((9, 9, 9), BLUE, GREEN)]
    image = draw_tiles(tiles, ('picture',), ('title', 'line'), columns=2)
    first, second, third = (where(image, colour) for colour in ((9, 9, 9), BLUE, GREEN))
    assert second[0] > first[2]
    assert second[1] == pytest.approx(first[1], abs=1)
    assert third[1] > first[3]
    assert third[0] == pytest.approx(first[0], abs=1)


def test_warning_and_missing_picture_are_red() -> None:
    """Words stand where a picture is missing, and a warning makes red frames."""
    plain_tile = Tile((plain(BLUE), plain(BLUE)), ('a.jpg',))
    gone = Tile((plain(BLUE), 'mask is gone'), ('a.jpg',), 'there is no a.jpg.png')
    images = [draw_tiles([t], ('image', 'mask'), ('t', 'l')) for t in (plain_tile, gone)]
    assert reds(images[0]) == 0
    assert reds(images[1]) > 300


def test_names_are_not_typeset() -> None:
    """Dollars are no formula, undecodable bytes no error, and a long name stays in its tile."""
    names = ['$x^', b'\xff'.decode(errors='surrogateescape'), 'w' * 500]
    tiles = [Tile((plain(BLUE),), (name,)) for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        image = draw_tiles(tiles, ('picture',), ('title', 'line'))
    margin = np.asarray(image)[:, -20:]
    assert (margin == 255).all()


def test_tiles_must_fit_the_names() -> None:
    """No tile, and a tile of another number of pictures, are refused."""
    with pytest.raises(ValueError, match=r'`tiles` must be one or more .* of 1 .* but got \[\]'):
        draw_tiles([], ('picture',), ('title', 'line'))
    with pytest.raises(ValueError, match=r'tiles of 2 pictures each, but got \[1\]'):
        draw_tiles([Tile((plain(BLUE),))], ('a', 'b'), ('title', 'line'))


def test_names_are_drawn_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newline, an escape or a Latin-1 byte of a name is drawn as text, in every place."""
    drawn: list[str] = []
    monkeypatch.setattr('matplotlib.figure.Figure.text', lambda *args, **_: drawn.append(args[3]))
    name = b'a\n\x1b\xf1.jpg'.decode(errors='surrogateescape')
    tile = Tile((f'no {name}',), (name,), f'damaged: {name}')
    draw_tiles([tile], (name,), (name, name), side=4)
    escaped = 'a\\n\\x1b\\xf1.jpg'
    assert drawn == [escaped] * 3 + [escaped, f'damaged: {escaped}']


def test_long_names_of_pictures_keep_to_their_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are cut at the beginning, so that models with like names can be told apart."""
    drawn: list[str] = []
    monkeypatch.setattr('matplotlib.figure.Figure.text', lambda *args, **_: drawn.append(args[3]))
    names = ('u2netp_fine_tuned_s0-02f17780', 'u2netp_fine_tuned_s1-4db874d5')
    draw_tiles([Tile((plain(BLUE),) * 2, ('a.jpg',))], names, ('title', 'below'), side=1.0)
    assert drawn[2:4] == ['…ed_s0-02f17780', '…ed_s1-4db874d5']
    assert all(len(each) * 0.066 <= 1.0 for each in drawn[2:4])


def test_more_tiles_than_a_picture_can_hold() -> None:
    """They are refused with the number that fits."""
    with pytest.raises(ArgumentError, match=r'sheet of 2,000 would be .* such as \d+ in 1 columns'):
        draw_tiles([Tile((plain(BLUE),))] * 2000, ('picture',), ('title', 'line'), columns=1)
