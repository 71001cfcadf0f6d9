"""Manifests: which tables are read, and what is said of those that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bgremoval_mm.datasets.products.manifest import (
    Columns,
    columns_of,
    read_manifest,
)
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.tables import csv_bytes


def test_rows_and_classes(catalogue: Path) -> None:
    """Rows keep their order; classes are sorted; a label may be any column."""
    manifest = read_manifest(catalogue)
    assert len(manifest.rows) == 24
    assert manifest.rows[2]['image'] == 'photos/1_0.png'
    assert manifest.classes == ('belts', 'shirts', 'shoes')
    assert list(manifest.products())[:3] == ['p0', 'p1', 'p2']
    gender = read_manifest(catalogue, columns_of(label='gender'))
    assert gender.classes == ('men', 'women')
    assert gender.label_of_products()['p5'] == 'men'


@pytest.mark.parametrize('delimiter', [',', ';', '\t'])
def test_delimiters_and_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    """Tables of spreadsheets in any country are read; spaces around cells do not count."""
    path = tmp_path / 'a.csv'
    lines = (['Photo', ' SKU', 'Kind'], ['a.jpg', ' 1 ', '"Shoes, old"'], [], ['b.jpg', '2', ''])
    path.write_text('\ufeff' + '\n'.join(map(delimiter.join, lines)), encoding='utf-8')
    manifest = read_manifest(path, Columns('Photo', 'SKU', 'Kind'))
    assert manifest.rows == (
        {'Photo': 'a.jpg', 'SKU': '1', 'Kind': 'Shoes, old'},
        {'Photo': 'b.jpg', 'SKU': '2', 'Kind': ''},
    )
    assert len(manifest.labelled()) == 1
    written = csv_bytes(manifest.header, manifest.rows)
    assert written == b'Photo,SKU,Kind\na.jpg,1,"Shoes, old"\nb.jpg,2,\n'


def test_columns_without_a_name(tmp_path: Path) -> None:
    """Spreadsheets append empty ones, and pandas puts the numbers of the rows first."""
    path = tmp_path / 'a.csv'
    path.write_text(',image,product_id,category,,\n0,a.jpg,1,shoes,,\n1,b.jpg,2,belts,,\n')
    manifest = read_manifest(path)
    assert manifest.header == ('image', 'product_id', 'category')
    assert manifest.rows[1] == {'image': 'b.jpg', 'product_id': '2', 'category': 'belts'}


def test_one_photo_in_two_spellings(tmp_path: Path) -> None:
    """It would be of two products, one of them in training and one in the test."""
    path = tmp_path / 'a.csv'
    path.write_text('image,product_id,category\nx/a.jpg,1,shoes\n./x//a.jpg,2,belts\n')
    with pytest.raises(ArgumentError, match=r'must have one row .* \./x//a\.jpg in lines 2 and 3'):
        read_manifest(path)


def test_quotation_mark_in_the_styles_of_kaggle(tmp_path: Path) -> None:
    """One without a partner, as for inches, hides no product; quoted names stay as they are."""
    path = tmp_path / 'styles.csv'
    path.write_text(
        'id,articleType,productDisplayName\n1,Bags,"Puma" bag, red\n2,Bags,"Fine bag\n'
        '3,Belts,A 2" belt\n4,Belts,"Belt, brown"\r\n'
    )
    rows = read_manifest(path, form='styles').rows
    assert [row['id'] for row in rows] == ['1', '2', '3', '4']
    assert [row['productDisplayName'] for row in rows] == [
        'Puma bag, red',
        'Fine bag',
        'A 2" belt',
        'Belt, brown',
    ]


def test_styles_of_kaggle(tmp_path: Path) -> None:
    """Unquoted commas belong to the last column, the name; the photo is named by the id."""
    path = tmp_path / 'styles.csv'
    path.write_text(
        'id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,'
        'productDisplayName\n'
        '15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,A Navy Blue Shirt\n'
        '39403,Men,Apparel,Topwear,Shirts,Red,Fall,2011,Casual,Shirt, red, slim\n'
    )
    manifest = read_manifest(path, form='styles')
    assert manifest.rows[1]['productDisplayName'] == 'Shirt, red, slim'
    assert manifest.rows[0]['image'] == 'images/15970.jpg'
    assert manifest.classes == ('Shirts',)
    assert manifest.header[-1] == 'image'
    path.write_bytes(csv_bytes(manifest.header, manifest.rows))  # as of a sample
    again = read_manifest(path, form='styles')
    assert (again.header, again.rows) == (manifest.header, manifest.rows)
    path.write_bytes(csv_bytes(manifest.header[:-1], manifest.rows).replace(b'"', b''))
    with pytest.raises(ArgumentError, match=r'must have 10 cells, but 1 have not: line 3 has 12'):
        read_manifest(path, Columns('id', 'id', 'articleType'))


BAD = {
    'image,product_id\na,1\n': r'must have the columns image, product_id, category, but has no '
    r'category; it has image, product_id',
    '': 'it has none',
    'image,product_id,category\n': 'must have a row for each photo, but has none',
    'image,product_id,category,image\na,1,b,c\n': 'image is there twice',
    'image,product_id,category\na,,x\nb,1,x\n': '1 rows of .* have no product_id: line 2',
    'image,product_id,category\n,1,x\n': 'have no image: line 2',
    'image,product_id,category\na,1,x\na,2,x\n': r'but 1 do not: a in lines 2 and 3',
    'image,product_id,category\na,1\nb,2,x,y\n': r'2 have not: line 2 has 2, line 3 has 4',
    'image,product_id,category\na,1,x\nb,2,"y\nc,3,z\n': r'line 3: .*no partner',
    'image,product_id,category\na,1,"x\nb,2,"y"\nc,3,z\n': r'line 2: .*no partner',
    'image,product_id,category\na,1,"x\n' + 'b,2,y\n' * 30_000: r'line 2: .*no partner',
}


@pytest.mark.parametrize('text', BAD)
def test_tables_that_are_refused(tmp_path: Path, text: str) -> None:
    """The message names the file, what is wanted, and the lines."""
    path = tmp_path / 'a.csv'
    path.write_text(text)
    with pytest.raises(ArgumentError, match=BAD[text]) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_files_that_are_refused(tmp_path: Path) -> None:
    """A file that is not there, not UTF-8, or of an unknown form."""
    with pytest.raises(FileNotFoundError, match='must be a CSV file, but there is none'):
        read_manifest(tmp_path / 'a.csv')
    path = tmp_path / 'b.csv'
    path.write_bytes('image,product_id,category\nä,1,x\n'.encode('latin-1'))
    with pytest.raises(ArgumentError, match=r'must be UTF-8, but is not .*: save it as'):
        read_manifest(path)
    with pytest.raises(ArgumentError, match="`form` must be one of 'csv', 'styles', but got 'x'"):
        read_manifest(path, form='x')


def test_product_of_two_classes(write_manifest: Callable[..., Path]) -> None:
    """It is named, with both."""
    rows = [('a', '1', 'x', '', ''), ('b', '1', 'y', '', ''), ('c', '1', 'x', '', '')]
    manifest = read_manifest(write_manifest(rows))
    with pytest.raises(ArgumentError, match=r'one category, but 1 in .* have several: 1 \(x, y\)'):
        manifest.label_of_products()
