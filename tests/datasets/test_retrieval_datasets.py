"""DeepFashion's three benchmarks, Luma's items and Grocery Store's, on small trees."""

from __future__ import annotations

import csv
import gzip
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mmengine.registry import DATASETS
from torch.utils.data import DataLoader

from bgremoval_mm.datasets.deepfashion.in_shop import DeepFashionInShop
from bgremoval_mm.removal.errors import ArgumentError

PARTITION = 'Eval/list_eval_partition.txt'
KINDS = {
    'deepfashion_category': 'DeepFashionCategory',
    'deepfashion_inshop': 'DeepFashionInShop',
    'deepfashion_consumer2shop': 'DeepFashionConsumerToShop',
    'luma_items': 'CatalogueItems',
    'grocery_items': 'GroceryStoreItems',
}
LUMA = dict(
    image='file',
    product='item_id',
    label='category',
    item=('item_id', 'colour'),
    queries={'view': ['back']},
    fold=0,
)


def load(kind: str, root: Path, subset: str = 'train', **options: Any) -> Any:
    """One subset, built as from a config."""
    return DATASETS.build(dict(type=kind, data_root=str(root), subset=subset, **options))


def shown(dataset: Any) -> list[tuple[str, ...]]:
    """Of each photo: its path below the folder, category, item and role."""
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [
        (
            Path(info['img_path']).relative_to(dataset.data_root).as_posix(),
            dataset.CLASSES[info['gt_label']],
            info.get('item_id', ''),
            info.get('role', ''),
        )
        for info in infos
    ]


def test_category(deepfashion_category: Path) -> None:
    """Labels count from 1 in the list, four categories are Dress, the partition gives subsets."""
    dataset = load('DeepFashionCategory', deepfashion_category, 'val', complete=False)
    assert dataset.CLASSES == ('Tee', 'Jeans', 'Dress')
    assert [info[:2] for info in shown(dataset)] == [
        (f'Img/img/Long_Sleeve_{name}/img_00000001.jpg', category)
        for name, category in (
            ('Tee', 'Tee'),
            ('Jeans', 'Jeans'),
            ('Dress', 'Dress'),
            ('Sundress', 'Dress'),
            ('Cape', 'Dress'),
        )
    ]
    options = dict(complete=False, merge=False)
    assert len(load('DeepFashionCategory', deepfashion_category, **options).CLASSES) == 5


def test_older_layout(deepfashion_category: Path, deepfashion_inshop: Path) -> None:
    """Lists in Anno, and photos unpacked beside Img, are found as well."""
    (deepfashion_category / 'Anno_coarse').rename(deepfashion_category / 'Anno')
    assert len(load('DeepFashionCategory', deepfashion_category, complete=False)) == 5
    (deepfashion_inshop / 'Img/img').rename(deepfashion_inshop / 'img')
    dataset = load('DeepFashionInShop', deepfashion_inshop, 'gallery', complete=False)
    assert shown(dataset)[0][0] == 'img/WOMEN/Dresses/id_00000003/01_2_side.jpg'


def test_inshop(deepfashion_inshop: Path) -> None:
    """The test has the queries, then the gallery; categories are in the paths."""
    root = deepfashion_inshop
    test = load('DeepFashionInShop', root, 'test', complete=False)
    assert test.CLASSES == ('MEN/Pants', 'WOMEN/Dresses')
    found = shown(test)
    assert [each[2:] for each in found] == [
        ('id_00000003', 'query'),
        ('id_00000004', 'query'),
        *[('id_00000003', 'gallery')] * 2,
        *[('id_00000004', 'gallery')] * 2,
    ]
    assert found[0][:2] == ('Img/img/WOMEN/Dresses/id_00000003/01_1_front.jpg', 'WOMEN/Dresses')
    parts = [
        shown(load('DeepFashionInShop', root, part, complete=False))
        for part in ('query', 'gallery')
    ]
    assert parts[0] + parts[1] == found
    train = load('DeepFashionInShop', root, complete=False)
    assert {each[2:] for each in shown(train)} == {
        ('id_00000001', 'train'),
        ('id_00000002', 'train'),
    }
    assert train.get_cat_ids(0) == [1]


def test_consumer_to_shop(deepfashion_consumer2shop: Path) -> None:
    """Photos of many pairs come once; the gallery is that of validation and test in both."""
    root = deepfashion_consumer2shop
    subsets = {
        subset: shown(load('DeepFashionConsumerToShop', root, subset, complete=False))
        for subset in ('train', 'val', 'test', 'query', 'gallery')
    }
    assert [(Path(path).name, item, role) for path, _, item, role in subsets['train']] == [
        (name, 'id_00000001', 'train')
        for name in ('comsumer_01.jpg', 'shop_01.jpg', 'shop_02.jpg', 'comsumer_02.jpg')
    ]
    gallery = subsets['gallery']
    assert [(Path(path).name, item) for path, _, item, _ in gallery] == [
        ('shop_01.jpg', 'id_00000002'),
        ('shop_02.jpg', 'id_00000002'),
        ('shop_01.jpg', 'id_00000003'),
        ('shop_02.jpg', 'id_00000003'),
    ]
    for subset, item in (('val', 'id_00000002'), ('test', 'id_00000003')):
        queries, rest = subsets[subset][:2], subsets[subset][2:]
        assert {each[2:] for each in queries} == {(item, 'query')}
        assert rest == gallery
    assert subsets['query'] == subsets['test'][:2]
    assert subsets['test'][0][1] == 'TOPS/Blouse'


def test_luma(luma_items: Path) -> None:
    """An item is a product in a colour; backs are queries; the test's products are not trained."""
    subsets = {
        subset: shown(load('CatalogueItems', luma_items, subset, **LUMA))
        for subset in ('train', 'val', 'test', 'query', 'gallery')
    }
    assert [each[2:] for each in subsets['test']] == [
        *[(f'p{number:02}/red', 'query') for number in (0, 1, 6, 7)],
        *[
            (f'p{number:02}/{colour}', 'gallery')
            for number in (0, 1, 6, 7)
            for colour in ('red', 'blue')
        ],
    ]
    assert subsets['query'] + subsets['gallery'] == subsets['test']
    assert {role for *_, role in subsets['train']} == {'train'}
    products = {name: {item[:3] for _, _, item, _ in each} for name, each in subsets.items()}
    assert not products['train'] & (products['test'] | products['val'])
    assert Counter(role for *_, role in subsets['val']) == {'query': 2, 'gallery': 4}


def test_groceries(grocery_items: Path) -> None:
    """The authors' test photos are queries; items are products, categories coarse classes."""
    test = load('GroceryStoreItems', grocery_items, 'test')
    assert test.CLASSES == ('Apple', 'Melon', 'Pear')
    found = shown(test)
    assert len(found) == 16
    assert found[0] == (
        'natural/test/Fruit/Fruit-1/1_001.jpg',
        'Pear',
        'Fruit-1',
        'query',
    )
    assert {each[3] for each in found[8:]} == {'gallery'}
    assert {each[2] for each in found[8:]} == {f'Fruit-{number}' for number in range(1, 17, 2)}
    train = shown(load('GroceryStoreItems', grocery_items))
    assert len(train) == 12
    assert {each[3] for each in train} == {'train'}
    assert len(load('GroceryStoreItems', grocery_items, 'val')) == 6


def test_no_queries(grocery_items: Path) -> None:
    """A subset without photos is an error that names it."""
    for path in (grocery_items / 'natural/test').rglob('*.jpg'):
        path.unlink()
    with pytest.raises(ArgumentError, match=r'^GroceryStoreItems query has no photo in .*groceri'):
        load('GroceryStoreItems', grocery_items, 'query')
    assert len(load('GroceryStoreItems', grocery_items, 'gallery')) == 8


@pytest.mark.parametrize('tree', KINDS)
def test_missing_folder(tree: str, tmp_path: Path) -> None:
    """An empty folder is an error that says what is missing and how the dataset is had."""
    (tmp_path / 'empty').mkdir()
    options = LUMA if tree == 'luma_items' else {}
    with pytest.raises(FileNotFoundError) as caught:
        load(KINDS[tree], tmp_path / 'empty', **options)
    message = str(caught.value)
    assert str(tmp_path / 'empty') in message
    if tree.startswith('deepfashion'):
        name = tree.replace('_', '-')
        assert f'tools/prepare_dataset.py {name} FOLDER' in message
        assert 'sign its agreement: see https://mmlab' in message
        assert 'Anno_coarse' in message or PARTITION in message


@pytest.mark.parametrize(
    ('tree', 'expected'),
    [
        (
            'deepfashion_category',
            r'289,222 photos, 50 categories, but .* has 15 photos, 5 categories\.',
        ),
        (
            'deepfashion_inshop',
            r'52,712 photos, 7,982 items, 25,882 train, 14,218 query, 12,612 gallery, but .* has '
            r'12 photos, 4 items, 6 train, 2 query, 4 gallery\.',
        ),
        ('deepfashion_consumer2shop', r'195,540 pairs, but .* has 12 pairs\.'),
    ],
)
def test_counts(request: pytest.FixtureRequest, tree: str, expected: str) -> None:
    """A copy of another size than the published one is an error, unless a part is wanted."""
    root = request.getfixturevalue(tree)
    with pytest.raises(ArgumentError, match=f'{expected}.*complete=False') as caught:
        load(KINDS[tree], root, 'test')
    assert 'agreement' in str(caught.value)
    assert len(load(KINDS[tree], root, 'test', complete=False)) > 0


@pytest.mark.parametrize(
    'tree', ['deepfashion_category', 'deepfashion_inshop', 'deepfashion_consumer2shop']
)
def test_broken_headers(request: pytest.FixtureRequest, tree: str) -> None:
    """Count, names of columns and cells of a list are checked; errors name the file."""
    root = request.getfixturevalue(tree)
    path = root / PARTITION
    lines = path.read_text().splitlines()
    row = lines[2].split()
    for changed, message in (
        (['twelve', *lines[1:]], "the first line .* must be the number .* but is 'twelve'"),
        ([], "the first line .* must be the number of its rows, but is ''"),
        ([lines[0], lines[2], *lines[2:]], 'the second line .* must be .*evaluation_status'),
        (
            [lines[0], lines[1], lines[2] + ' more', *lines[3:]],
            f'must have {len(row)} cells, but 1 have not: .* more',
        ),
        (lines[:-1], f'says {lines[0]} rows, but there are {int(lines[0]) - 1}'),
    ):
        path.write_text('\n'.join(changed))
        with pytest.raises(ArgumentError, match=message) as caught:
            load(KINDS[tree], root, 'test', complete=False)
        assert str(path) in str(caught.value)


def test_list_of_an_editor(deepfashion_inshop: Path) -> None:
    """A byte order mark is no part of the number of rows."""
    path = deepfashion_inshop / PARTITION
    path.write_text('\ufeff' + path.read_text().replace('\n', '\r\n'), encoding='utf-8')
    assert len(load('DeepFashionInShop', deepfashion_inshop, complete=False)) == 6


def change(path: Path, old: str, new: str) -> None:
    """Replace a text in a file, where it is for the first time."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_broken_rows(
    deepfashion_category: Path, deepfashion_inshop: Path, deepfashion_consumer2shop: Path
) -> None:
    """Labels, subsets, items and roles that cannot be are errors that name the row."""
    options = dict(complete=False)
    labels = deepfashion_category / 'Anno_coarse/list_category_img.txt'
    good = labels.read_text()
    for old, new, message in (
        ('    1', '    0', r'must be 1 to 5, but 1 are not: img/Long_Sleeve_Tee/.* \(0\)'),
        ('00000001.jpg', '00000000.jpg', 'must name each photo once'),
        ('00000001.jpg', '00000009.jpg', 'it does not for img/Long_Sleeve_Tee/img_00000009.jpg'),
    ):
        labels.write_text(good)
        change(labels, old, new)
        with pytest.raises(ArgumentError, match=message):
            load('DeepFashionCategory', deepfashion_category, **options)
    labels.write_text(good)

    path = deepfashion_category / PARTITION
    lines = path.read_text().splitlines()
    twice = lines[2].split()[0]
    path.write_text('\n'.join([str(int(lines[0]) + 1), *lines[1:], f'{twice} test']))
    with pytest.raises(ArgumentError, match=rf'must name each photo once, but names {twice}'):
        load('DeepFashionCategory', deepfashion_category, **options)

    path = deepfashion_inshop / PARTITION
    good = path.read_text()
    for old, new in ((' query', ' probe'), (' id_00000002', ' id_00000007')):
        change(path, old, new)
        with pytest.raises(ArgumentError, match=rf'1 are not: img/.*{new.strip()}'):
            load('DeepFashionInShop', deepfashion_inshop, **options)
        path.write_text(good)

    path = deepfashion_consumer2shop / PARTITION
    good = path.read_text()
    change(path, '/comsumer_01', '/shop_01')
    with pytest.raises(ArgumentError, match=r'comsumer_\*\.jpg, .* 1 are not'):
        load('DeepFashionConsumerToShop', deepfashion_consumer2shop, **options)
    path.write_text(good)
    change(path, 'id_00000001 train', 'id_00000001 test')
    with pytest.raises(ArgumentError, match=r'one item and be in one subset, but .*comsumer_01'):
        load('DeepFashionConsumerToShop', deepfashion_consumer2shop, **options)


def test_missing_photo(deepfashion_inshop: Path) -> None:
    """A photo that is gone is an error that counts and names."""
    sorted((deepfashion_inshop / 'Img').rglob('id_00000001/*front.jpg'))[0].unlink()
    message = r'^1 photos of DeepFashionInShop are missing: .*front\.jpg.* agreement'
    with pytest.raises(FileNotFoundError, match=message):
        load('DeepFashionInShop', deepfashion_inshop, complete=False)
    assert len(load('DeepFashionInShop', deepfashion_inshop, 'test', complete=False)) == 6


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(queries=None), '`queries` must say which photos are queries'),
        (dict(queries={'view': ['side']}), '`queries` must have values of the column view .* side'),
        (dict(queries={'pose': ['side']}), "`queries` must name columns of .* got 'pose'"),
        (dict(item=('item_id', 'size')), '`item` must name columns of .*size'),
        (dict(item=()), r'`item` must name columns of .*\(\)'),
        (dict(subset='probe'), "`subset` must be one of 'train', 'val', 'query'"),
    ],
)
def test_wrong_arguments_of_items(luma_items: Path, options: dict, message: str) -> None:
    """What cannot be used is refused with the reason."""
    with pytest.raises(ArgumentError, match=message):
        load('CatalogueItems', luma_items, **{**LUMA, **options})


def test_photos_that_have_no_item(luma_items: Path) -> None:
    """They would all be one item, and find each other."""
    table = luma_items / 'products.csv'
    header, *rows = table.read_text().splitlines()
    models = [row.split(',')[1] if number % 3 else '' for number, row in enumerate(rows)]
    rows = [f'{row},{model}' for row, model in zip(rows, models, strict=True)]
    table.write_text('\n'.join([f'{header},model', *rows]))
    message = r'each photo of .*products\.csv must have an item \(model\), but 12 have none: '
    with pytest.raises(ArgumentError, match=message):
        load('CatalogueItems', luma_items, 'test', **{**LUMA, 'item': ('model',)})
    both = load('CatalogueItems', luma_items, 'test', **{**LUMA, 'item': ('item_id', 'model')})
    assert {each[2] for each in shown(both)} >= {'p00/', 'p00/p00'}


def test_items_of_several_products(luma_items: Path) -> None:
    """Folds would tear them apart: photos of an item in training, and others in the test."""
    message = r'`item` must lie within a product.* but 2 do not: blue, red\. Name .* `product`'
    options = {**LUMA, 'item': ('colour',)}
    with pytest.raises(ArgumentError, match=message):
        load('CatalogueItems', luma_items, 'test', **options)
    assert load('CatalogueItems', luma_items, 'test', **{**options, 'fold': None})


@pytest.mark.parametrize('tree', KINDS)
def test_workers(request: pytest.FixtureRequest, tree: str) -> None:
    """A dataset is pickled and read by two workers."""
    options: dict[str, Any] = dict(complete=False)
    if not tree.startswith('deepfashion'):
        options = LUMA if tree == 'luma_items' else {}
    dataset = load(KINDS[tree], request.getfixturevalue(tree), 'test', **options)
    copy = pickle.loads(pickle.dumps(dataset))
    loader = DataLoader(copy, batch_size=2, num_workers=2, collate_fn=list)
    found = [sample['img_path'] for batch in loader for sample in batch]
    assert found == [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]


def test_names_of_inshop(repository: Path, tmp_path: Path) -> None:
    """The real names, with a partition made up: 23 categories, 7,982 items, at once."""
    names = repository / 'data/inshop_names/inshop_names.csv.gz'
    if not names.is_file():
        pytest.skip('data/inshop_names is not there')
    with gzip.open(names, 'rt', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    lines = []
    for row in rows:
        item = row['item_id']
        # Every photo of an even item is for training; of the others the fronts are queries.
        role = 'query' if row['view'] == 'front' else 'gallery'
        role = role if int(item[-1]) % 2 else 'train'
        view = f'{row["colour_index"]}_{row["view_index"]}_{row["view"]}'
        lines.append(f'img/{row["gender"]}/{row["category"]}/{item}/{view}.jpg {item} {role}')
    path = tmp_path / PARTITION
    path.parent.mkdir()
    path.write_text('\n'.join([str(len(lines)), 'image_name item_id evaluation_status', *lines]))
    dataset = DeepFashionInShop(tmp_path, lazy_init=True)
    photos = dataset.find_photos(tmp_path)
    found = dataset.count(photos)
    assert (found['photos'], found['items']) == (52_712, 7982)
    assert found['photos'] == DeepFashionInShop.SIZE['photos']
    assert found['items'] == DeepFashionInShop.SIZE['items']
    assert len({photo.category for photo in photos}) == 23
    assert found['train'] + found['query'] + found['gallery'] == 52_712


def test_published_sizes() -> None:
    """The numbers of the benchmarks' own pages add up."""
    size = DeepFashionInShop.SIZE
    assert size['train'] + size['query'] + size['gallery'] == size['photos']
    category = DATASETS.get('DeepFashionCategory')
    assert category.SIZE == {'photos': 289_222, 'categories': 50}
    assert DATASETS.get('DeepFashionConsumerToShop').SIZE == {'pairs': 195_540}


@pytest.mark.real
def test_real_groceries_and_luma(repository: Path) -> None:
    """The open photos: every query has photos of its item in the gallery."""
    root = repository / 'data/grocery_store'
    if not root.is_dir():
        pytest.skip('data/grocery_store is not there')
    found = shown(load('GroceryStoreItems', root, 'test'))
    queries = {item for *_, item, role in found if role == 'query'}
    assert queries <= {item for *_, item, role in found if role == 'gallery'}
    assert len(queries) == 40
