"""The picture sheet."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bgremoval_mm.demo import sheet

GREEN, RED = (26, 127, 55), (207, 34, 46)


def answer(
    number: int, label: str = 'tee', original: str = 'tee', removed: str = 'tee'
) -> sheet.Answer:
    """An answer of the outcome that follows from the labels."""
    return sheet.Answer(f'test/{label}/{number}.jpg', label, original, removed, 0.9)


def load(_: sheet.Answer) -> sheet.Panel:
    """Plain pictures: blue original, white mask, black removed."""
    blue = np.full((32, 32, 3), (0, 0, 255), np.uint8)
    return sheet.Panel(blue, np.full((32, 32), 255, np.uint8), np.zeros_like(blue))


def count(image: Image.Image, colour: tuple[int, int, int]) -> int:
    """Number of pixels of a colour."""
    return int((np.asarray(image) == colour).all(axis=2).sum())


def test_selection_shows_each_outcome_and_many_classes() -> None:
    """Two rows of ten answers are of two classes, and of the asked outcome."""
    answers = [answer(i, label, label, label) for i in range(5) for label in ('tee', 'polo')]
    answers += [answer(9, 'tee', 'polo', 'tee')]
    chosen = sheet.select(answers, rows=2, seed=0)
    assert {each.label for each in chosen[True, True]} == {'tee', 'polo'}
    assert [each.file for each in chosen[False, True]] == ['test/tee/9.jpg']
    assert chosen[True, False] == chosen[False, False] == []


def test_selection_depends_on_the_seed_alone() -> None:
    """One seed draws the same pictures, some other seed others."""
    answers = [answer(i) for i in range(50)]
    draws = [sheet.select(answers, 3, seed)[True, True] for seed in (0, 0, 1, 2)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2] or draws[0] != draws[3]


def test_sheet_has_its_size_and_shows_the_pictures() -> None:
    """1800 pixels wide, taller with more rows; pictures and both frame colours are on it."""
    answers = [answer(i) for i in range(4)] + [answer(7, 'tee', 'polo', 'shoe')]
    one, two = (sheet.draw_sheet(answers, load, ('title', 'line'), rows=n) for n in (1, 2))
    assert one.width == two.width == 1800
    assert two.height > one.height > 700
    # One panel is about 230 pixels wide; 'both right' shows two, 'both wrong' its only one.
    assert count(two, (0, 0, 255)) > 2.5 * 200**2
    assert count(one, GREEN) > 500
    assert count(one, RED) > 500


def test_sheet_without_mistakes_has_no_red() -> None:
    """All right in both arms: green frames only, and the other blocks say so in grey."""
    image = sheet.draw_sheet([answer(0)], load, ('title', 'line'), rows=1)
    assert count(image, RED) == 0
    assert count(image, GREEN) > 500
