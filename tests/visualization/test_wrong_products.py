"""The products that are wrong in every photo, found in made-up tables and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.wrong_products import draw_wrong_products, read_wrong_products

HEADER = 'img_path,product_id,probability,label,predicted'
FIRST = """
a1.png,a,0.9,hats,belts
a2.png,a,0.5,hats,shoes
b1.png,b,0.8,hats,belts
b2.png,b,0.8,hats,hats
c1.png,c,0.6,belts,hats
"""
SECOND = """
a1.png,a,0.7,hats,belts
a2.png,a,0.7,hats,belts
c1.png,c,0.9,belts,belts
d1.png,d,0.99,shoes,hats
"""


def write(path: Path, text: str) -> Path:
    """Write the predictions of a test, with photos below the file's folder."""
    rows = [f'{path.parent}/{row}' for row in text.strip().splitlines()]
    path.write_text('\n'.join([HEADER, *rows]))
    return path


def test_wrong_in_every_photo_and_test(tmp_path: Path) -> None:
    """Product b has a photo that is right; c is wrong in one test only; d has the second alone."""
    first, second = write(tmp_path / '1.csv', FIRST), write(tmp_path / '2.csv', SECOND)
    found, total = read_wrong_products([first])
    assert [each.name for each in found] == ['a', 'c']
    assert total == 3
    found, total = read_wrong_products([first, second])
    assert total == 4
    a, d = found
    assert (a.name, a.label, a.predicted) == ('a', 'hats', {'belts': 3, 'shoes': 1})
    assert a.probability == pytest.approx((0.9 + 0.5 + 0.7 + 0.7) / 4)
    assert a.photos == (tmp_path / 'a1.png', tmp_path / 'a2.png')
    assert (d.name, d.photos) == ('d', (tmp_path / 'd1.png',))


def test_sheet(tmp_path: Path) -> None:
    """Photos that are there are on it, in their colour; one that is not is no error."""
    Image.fromarray(np.full((30, 30, 3), (200, 40, 90), np.uint8)).save(tmp_path / 'a1.png')
    found, total = read_wrong_products([write(tmp_path / '1.csv', FIRST)])
    sheet = np.asarray(draw_wrong_products(found, total))
    area = (sheet == (200, 40, 90)).all(axis=2).sum()
    assert area > 20_000  # one photo of 1.25 inches at 150 dpi is 35,000 pixels
    fewer = draw_wrong_products(found, total, number=1)
    assert fewer.height <= sheet.shape[0]


def test_what_is_no_table_of_predictions(tmp_path: Path) -> None:
    """A table without classes, and products with two labels."""
    path = tmp_path / 'images.csv'
    path.write_text('img_path,product_id,predicted\na.png,a,hats\n')
    with pytest.raises(ArgumentError, match='ProductAccuracy, but has no column label, probabil'):
        read_wrong_products([path])
    first = write(tmp_path / '1.csv', FIRST)
    other = write(tmp_path / '2.csv', 'x.png,b,0.5,shoes,belts')
    with pytest.raises(ArgumentError, match=r'one label, but b has shoes and hats'):
        read_wrong_products([first, other])
    with pytest.raises(FileNotFoundError, match=r'none\.csv must be a CSV file'):
        read_wrong_products([tmp_path / 'none.csv'])


def test_probability_that_is_no_number(tmp_path: Path) -> None:
    """The error names the file and the column."""
    path = write(tmp_path / '1.csv', FIRST.replace('0.5', '-'))
    message = r"1\.csv must have numbers in the column probability, but: .* float: '-'"
    with pytest.raises(ArgumentError, match=message):
        read_wrong_products([path])
