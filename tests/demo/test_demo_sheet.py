"""The picture sheet."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.demo import sheet
from bgremoval_mm.demo.results import Answer

GREEN, RED = (26, 127, 55), (207, 34, 46)
BLUE = np.full((32, 32, 3), (0, 0, 255), np.uint8)


def answer(number: int, label: str = 'tee', original: str = 'tee', removed: str = 'tee') -> Answer:
    """Return an answer of the outcome that follows from the labels."""
    return Answer(f'test/{label}/{number}.jpg', label, 'p', (original,), (removed,), 0.9)


def load(_: Answer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return plain pictures: blue original, white mask, black removed."""
    return BLUE, np.full((32, 32), 255, np.uint8), BLUE * 0


def count(image: Image.Image, colour: tuple[int, int, int]) -> int:
    """Return the number of pixels of a colour."""
    return int((np.asarray(image) == colour).all(axis=2).sum())


def test_sample_shows_each_outcome_and_many_classes() -> None:
    """Two of ten answers are of two classes, and of the asked outcome."""
    answers = [answer(i, label, label, label) for i in range(5) for label in ('tee', 'polo')]
    answers += [answer(9, 'tee', 'polo', 'tee')]
    chosen = sheet.sample(answers, 2, seed=0)
    assert {each.label for each in chosen[True, True]} == {'tee', 'polo'}
    assert [each.file for each in chosen[False, True]] == ['test/tee/9.jpg']
    assert chosen[True, False] == chosen[False, False] == []


def test_sample_depends_on_the_seed_alone() -> None:
    """One seed samples the same pictures, some other seed others."""
    answers = [answer(i) for i in range(50)]
    samples = [sheet.sample(answers, 3, seed)[True, True] for seed in (0, 0, 1, 2)]
    assert samples[0] == samples[1]
    assert samples[0] != samples[2] or samples[0] != samples[3]


@pytest.mark.parametrize(('number', 'originals'), [(1, 2), (4, 5)])
def test_sheet_shows_the_pictures(number: int, originals: int) -> None:
    """Five of outcome 'both' and one 'neither': its pictures and both frame colours are there."""
    answers = [answer(i) for i in range(5)] + [answer(7, 'tee', 'polo', 'shoe')]
    image = sheet.draw_sheet(answers, load, ('title', 'line'), number=number)
    assert 1000 < image.width < 2000
    # A picture is 1.8 inches wide, 270 pixels; of its 32 pixels, 8 are frame on each side.
    side = 270 * 16 / 32
    assert count(image, (0, 0, 255)) == pytest.approx(originals * side**2, rel=0.2)
    assert count(image, GREEN) > 500
    assert count(image, RED) > 500


def test_sheet_without_mistakes_has_no_red() -> None:
    """All right in both: green frames only, and the other blocks stay grey."""
    image = sheet.draw_sheet([answer(0)], load, ('title', 'line'), number=1)
    assert count(image, RED) == 0
    assert count(image, GREEN) > 500


def test_a_long_title_stays_on_the_sheet() -> None:
    """It is broken into lines: its margins, left and right, are white."""
    title = ' '.join(['Top-1 93.1 % on the originals, 97.4 % with the background removed'] * 3)
    drawn = [sheet.draw_sheet([answer(1)], load, (text, title)) for text in ('title', title)]
    assert drawn[0].width == drawn[1].width
    top = np.asarray(drawn[1].convert('L'))[: drawn[1].height - drawn[0].height + 60]
    assert (top < 128).any()
    assert (top[:, :15] == 255).all()
    assert (top[:, -15:] == 255).all()
