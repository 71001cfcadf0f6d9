"""tools/prepare_dataset.py luma and grocerystore: getting and checking them, as a user does it."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.datasets.catalogue import Catalogue
from bgremoval_mm.datasets.grocery_store import GroceryStore
from bgremoval_mm.datasets.prepare.luma import row_of

ROWS = {
    'mh01-gray_alt1.jpg': ('mh01', 'Chaz Hoodie', 'men', 'Hoodies & Sweatshirts', 'gray', 'alt'),
    'wsh02-red_back.jpg': ('wsh02', '', 'women', 'Shorts', 'red', 'back'),
    'wt03-red_main.jpg': ('wt03', '', 'women', 'Bras & Tanks', 'red', 'main'),
    'mt03-red_main.jpg': ('mt03', '', 'men', 'Tanks', 'red', 'main'),
    'wb02-black-0.jpg': ('24-wb02', 'Tote', 'unisex', 'Bags', '', 'main'),
    'wb02-black_main.jpg': ('wb02', '', 'women', 'Bras & Tanks', 'black', 'main'),
    'mg04-bk-0_alt1.jpg': ('24-mg04', '', 'men', 'Watches', '', 'alt'),
    'ug03-bk-0.jpg': ('24-ug03', '', 'unisex', 'Fitness Equipment', '', 'main'),
    'luma-yoga-brick.jpg': ('luma-yoga-brick', '', 'unisex', 'Fitness Equipment', '', 'main'),
}


def photo(path: Path, value: int) -> None:
    """Write a photo of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(path, 'JPEG')


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A tiny copy of the repository of Luma's photos."""
    root = tmp_path / 'magento2-sample-data-5380756'
    for number, name in enumerate([*ROWS, 'gift-card.jpg']):
        photo(root / 'pub/media/catalog/product' / name[0] / name[1] / name, 20 * number)
    tables = root / 'app/code/Magento/ConfigurableSampleData/fixtures'
    tables.mkdir(parents=True)
    (tables / 'products.csv').write_text('sku,name\nMH01,Chaz Hoodie\n24-WB02,Tote\n')
    (tables / 'orders.csv').write_text('order,qty\n1,2\n')
    (root / 'LICENSE_AFL.txt').write_text('AFL')
    return root


@pytest.mark.parametrize('name', ROWS)
def test_row_of_a_photo(name: str) -> None:
    """The name of a photo says what it shows; a bra is not a bag."""
    row = row_of(name, {'mh01': 'Chaz Hoodie', '24-wb02': 'Tote'})
    assert row is not None
    keys = ('item_id', 'name', 'gender', 'category', 'colour', 'view')
    assert tuple(row[key] for key in keys) == ROWS[name]
    assert row['person_in_photo'] == str(int(bool(row['colour'])))
    assert row_of('gift-card.jpg', {}) is None


@pytest.mark.parametrize('packed', [False, True])
def test_luma_from_the_repository(prepare, shop: Path, tmp_path: Path, packed: bool) -> None:
    """A clone, or its zip file, becomes photos and a manifest, which are then only checked."""
    src = shop
    if packed:
        src = Path(shutil.make_archive(str(tmp_path / 'shop'), 'zip', shop.parent, shop.name))
    dst = tmp_path / 'data' / 'luma'
    status, said, found = prepare('luma', '--dst', dst, '--src', src)
    assert status == 0, said
    assert f'{src} was copied to {dst}; 1 photos that are not of products' in said
    assert 'are not those that are known (185 products)' in said
    assert found['tables']['Luma']['men'] == {'Hoodies & Sweatshirts': 1, 'Tanks': 1, 'Watches': 1}
    assert sorted(path.name for path in dst.iterdir()) == [
        'LICENSE_AFL.txt', 'images', 'products.csv',
    ]  # fmt: skip
    assert [path.name for path in dst.parent.iterdir()] == ['luma']
    assert len(list(shop.rglob('*.jpg'))) == 10  # the original is left as it is
    with (dst / 'products.csv').open() as file:
        assert next(csv.DictReader(file))['file'] == 'images/luma-yoga-brick.jpg'
    assert len(Catalogue(dst, image='file', product='item_id')) == 9
    status, said, _ = prepare('luma', '--dst', dst)
    assert (status, f'{dst} was there already' in said) == (0, True)
    link = tmp_path / 'link'
    status, said, _ = prepare('luma', '--dst', link, '--src', dst, '--link')
    assert (status, link.is_symlink()) == (0, True)
    copy = tmp_path / 'copy'
    status, said, _ = prepare('luma', '--dst', copy, '--src', dst)
    assert (status, len(list(copy.rglob('*.jpg')))) == (0, 9)
    archive = shutil.make_archive(str(tmp_path / 'luma'), 'zip', dst.parent, dst.name)
    status, said, _ = prepare('luma', '--dst', tmp_path / 'again', '--src', archive)
    assert (status, len(list((tmp_path / 'again').rglob('*.jpg')))) == (0, 9)


def test_luma_from_another_folder(prepare, shop: Path, tmp_path: Path) -> None:
    """The message says what belongs there; nothing is left behind."""
    dst = tmp_path / 'data' / 'luma'
    status, said, _ = prepare('luma', '--dst', dst, '--src', shop / 'app')
    assert status == 1
    assert 'is not the repository magento2-sample-data: it must hold app, pub' in said
    shutil.rmtree(shop / 'pub/media/catalog/product')
    photo(shop / 'pub/other.jpg', 3)
    status, said, _ = prepare('luma', '--dst', dst, '--src', shop)
    assert status == 1
    assert 'must have photos of products below pub/media/catalog/product, but has none' in said
    assert list(dst.parent.iterdir()) == []


def test_luma_that_cannot_be_used(prepare, shop: Path, tmp_path: Path) -> None:
    """Photos that are gone or broken make the exit status 1."""
    dst = tmp_path / 'luma'
    prepare('luma', '--dst', dst, '--src', shop)
    (dst / 'images' / 'ug03-bk-0.jpg').unlink()
    (dst / 'images' / 'mt03-red_main.jpg').write_bytes(b'none')
    status, said, found = prepare('luma', '--dst', dst)
    assert status == 1
    assert found['details']['missing'] == ['images/ug03-bk-0.jpg']
    assert list(found['details']['unreadable']) == ['images/mt03-red_main.jpg']
    assert f'{dst} can not be used as it is' in said
    table = dst / 'products.csv'
    table.write_text(table.read_text().replace('gender', 'sex', 1))
    status, said, _ = prepare('luma', '--dst', dst)
    assert status == 1
    assert f'error: {table} must have the columns of Luma, but has no gender' in said


@pytest.fixture
def groceries(tmp_path: Path) -> Path:
    """A tiny copy of the repository of the Grocery Store dataset."""
    root = tmp_path / 'GroceryStoreDataset-master'
    names = [f'Product-{number}' for number in range(9)]
    for number, name in enumerate(names):
        for subset in ('train', 'val', 'test'):
            value = 27 * number + len(subset) + (subset == 'test')
            photo(root / 'dataset' / subset / 'Fruit' / name / f'{subset}.jpg', value)
    lines = [f'{name},{number},0' for number, name in enumerate(names)]
    (root / 'dataset' / 'classes.csv').write_text('\n'.join(['Class Name,Class ID,x', *lines]))
    (root / 'LICENSE').write_text('MIT')
    return root


def test_grocery_store(prepare, groceries: Path, tmp_path: Path) -> None:
    """The repository and a part of it are taken; classes, not photos, are split."""
    dst = tmp_path / 'data' / 'grocery_store'
    status, said, found = prepare('grocerystore', '--dst', dst, '--src', groceries)
    assert status == 0, said
    assert f'{groceries} was copied to {dst}' in said
    assert '27 photos instead of 5,421' in said
    counts = found['tables']['GroceryStore']
    assert counts['val'] == {'Product-0': 3, 'Product-8': 3}
    assert set(counts['test']) == {f'Product-{number}' for number in (1, 3, 5, 7)}
    assert len(GroceryStore(dst, 'train')) == 9
    part = tmp_path / 'part'
    shutil.copytree(groceries / 'dataset', part / 'natural')
    (part / 'natural' / 'classes.csv').rename(part / 'classes.csv')
    for number, src in enumerate((part, groceries / 'dataset')):
        other = tmp_path / str(number)
        status, said, again = prepare('grocerystore', '--dst', other, '--src', src)
        assert status == 0, said
        assert again['tables'] == found['tables']


def test_grocery_store_that_cannot_be_used(prepare, groceries: Path, tmp_path: Path) -> None:
    """Another folder, a class without photos and a broken photo are named."""
    dst = tmp_path / 'data' / 'grocery_store'
    status, said, _ = prepare('grocerystore', '--dst', dst, '--src', tmp_path / 'nowhere')
    assert status == 1
    assert 'nowhere does not exist' in said
    status, said, _ = prepare('grocerystore', '--dst', dst, '--src', groceries / 'dataset/train')
    assert status == 1
    assert 'is not GroceryStore: it must hold dataset' in said
    broken = groceries / 'dataset/train/Fruit/Product-1/train.jpg'
    broken.write_bytes(b'none')
    status, said, found = prepare('grocerystore', '--dst', groceries)
    assert status == 1
    assert list(found['details']['unreadable']) == ['dataset/train/Fruit/Product-1/train.jpg']
    for subset in ('train', 'val', 'test'):
        shutil.rmtree(groceries / 'dataset' / subset / 'Fruit' / 'Product-1')
    status, said, _ = prepare('grocerystore', '--dst', groceries)
    assert (status, 'no photo of Product-1' in said) == (1, True)
