"""Catalogue: subsets by fold, product ids in samples, and what is refused."""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.registry import DATASETS
from PIL import Image
from torch.utils.data import DataLoader

from bgremoval_mm.datasets.catalogue import Catalogue
from bgremoval_mm.datasets.products.folds import Folds, make_folds
from bgremoval_mm.datasets.products.manifest import read_manifest
from bgremoval_mm.removal.errors import ArgumentError


@pytest.fixture
def folds(catalogue: Path) -> Folds:
    """Three folds with validation, written to ``folds.csv`` beside the manifest."""
    made = make_folds(read_manifest(catalogue), 2, 0.3)
    (catalogue.parent / 'folds.csv').write_bytes(made.content('product_id'))
    return made


def load(root: Path, subset: str = 'train', **options: Any) -> Catalogue:
    """Load the catalogue; the file of folds is beside the manifest."""
    if 'fold_file' in options:
        options['fold_file'] = str(root.parent / options['fold_file'])
    return Catalogue(root.parent, subset, **options)


def samples(dataset: Catalogue) -> list[dict[str, Any]]:
    """What is known of all photos."""
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def test_all_photos(catalogue: Path) -> None:
    """Without a fold, all photos; each has its product."""
    dataset = load(catalogue)
    assert dataset.CLASSES == ('belts', 'shirts', 'shoes')
    first, *_, last = samples(dataset)
    assert first['img_path'] == str(catalogue.parent / 'photos/0_0.png')
    assert (first['gt_label'], first['product_id']) == (0, 'p0')
    assert (last['gt_label'], last['product_id']) == (1, 'p11')
    assert len(dataset) == 24
    assert dataset.metainfo['split'] == {'fold': None, 'source': str(catalogue)}


def test_subsets_by_fold(catalogue: Path, folds: Folds) -> None:
    """Each photo is in one subset of a fold, with all others of its product; tests are disjoint."""
    tested = []
    for fold in range(2):
        found = {}
        for subset in ('train', 'val', 'test'):
            dataset = load(catalogue, subset, fold=fold, fold_file='folds.csv')
            assert dataset.CLASSES == ('belts', 'shirts', 'shoes')
            assert dataset.metainfo['split'] == {
                'fold': fold,
                'source': str(catalogue.parent / 'folds.csv'),
                'digest': folds.digest,
            }
            photos = Counter(each['product_id'] for each in samples(dataset))
            assert set(photos.values()) == {2}
            found[subset] = set(photos)
        assert len(found['train'] | found['val'] | found['test']) == 12
        assert [len(found[subset]) for subset in ('train', 'val', 'test')] == [3, 3, 6]
        tested.append(found['test'])
    assert not tested[0] & tested[1]


def test_any_column_is_the_task(catalogue: Path, folds: Folds) -> None:
    """The gender of the same products, of photos without a person only."""
    dataset = load(catalogue, label='gender', where={'is_person': 0})
    assert dataset.CLASSES == ('men', 'women')
    assert len(dataset) == 12


def test_chosen_classes(catalogue: Path) -> None:
    """Named in `metainfo`, also before the dataset is loaded; photos of others are left out."""
    classes = {'classes': ('shoes', 'belts')}
    dataset = load(catalogue, metainfo=classes, lazy_init=True)
    assert dataset.metainfo['classes'] == ('shoes', 'belts')
    dataset.full_init()
    assert dataset.CLASSES == ('shoes', 'belts')
    assert len(dataset) == 16
    assert dataset.get_data_info(0)['gt_label'] == 1
    with pytest.raises(ArgumentError, match=r'values of the column category .*, but got hats'):
        load(catalogue, metainfo={'classes': ('hats', 'belts')})


def test_in_a_data_loader(catalogue: Path, folds: Folds) -> None:
    """It is pickled, two workers read it, and data samples have the product."""
    pytest.importorskip('mmpretrain')
    pipeline = [
        {'type': 'LoadImageFromFile'},
        {'type': 'mmpretrain.PackInputs', 'algorithm_keys': ('product_id',)},
    ]
    config = {
        'type': 'Catalogue',
        'data_root': str(catalogue.parent),
        'subset': 'test',
        'fold': 1,
        'fold_file': str(catalogue.parent / 'folds.csv'),
        'pipeline': pipeline,
    }
    dataset = pickle.loads(pickle.dumps(DATASETS.build(config)))
    loader = DataLoader(dataset, 4, num_workers=2, collate_fn=list)
    found = [each['data_samples'].to_dict() for batch in loader for each in batch]
    assert len(found) == 12
    for each in found:
        assert each['product_id'] == f'p{Path(each["img_path"]).name.partition("_")[0]}'
        assert folds.fold_of[each['product_id']] == 1


def test_styles_of_kaggle(catalogue: Path) -> None:
    """Each row is a product with one photo; the label may be any of its columns."""
    root = catalogue.parent
    (root / 'photos').rename(root / 'images')
    for number in (1, 2):
        (root / 'images' / f'{number}_0.png').rename(root / 'images' / f'{number}.jpg')
    (root / 'styles.csv').write_text(
        'id,gender,articleType,productDisplayName\n1,Men,Shirts,Shirt, red\n2,Women,Tops,Top\n'
    )
    dataset = Catalogue(root, form='styles')
    assert dataset.CLASSES == ('Shirts', 'Tops')
    assert [each['product_id'] for each in samples(dataset)] == ['1', '2']
    assert Catalogue(root, form='styles', label='gender').CLASSES == ('Men', 'Women')


def test_without_background(catalogue: Path, masked: Callable[[Path], str]) -> None:
    """Photos whose background is removed still have their product."""
    pytest.importorskip('mmpretrain')
    root = catalogue.parent / 'photos'
    config = {
        'type': 'RembgDataset',
        'dataset': {'type': 'Catalogue', 'data_root': str(catalogue.parent)},
        'mask_dir': masked(root),
        'img_root': str(root),
        'model': 'u2netp',
        'on_missing': 'error',
        'pipeline': [
            {'type': 'LoadImageFromFile'},
            {'type': 'mmpretrain.PackInputs', 'algorithm_keys': ('product_id',)},
        ],
    }
    dataset = DATASETS.build(config)
    assert dataset[5]['data_samples'].product_id == 'p2'


def test_missing_and_broken_photos(catalogue: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error that counts and names them, or they are left out with a warning that does."""
    photos = catalogue.parent / 'photos'
    (photos / '3_0.png').unlink()
    (photos / '4_1.png').write_bytes(b'no picture')
    with pytest.raises(FileNotFoundError, match=r'of 24 .*, 1 photos are missing: photos/3_0\.png'):
        load(catalogue)
    assert len(load(catalogue, bad_photos='skip')) == 23
    with caplog.at_level(logging.WARNING, logger='mmengine'):
        dataset = load(catalogue, bad_photos='skip', decode=True)
    assert len(dataset) == 22
    (photos / '3_0.png').write_bytes((photos / '3_1.png').read_bytes())
    with pytest.raises(ArgumentError, match=r'1 photos are broken: photos/4_1\.png \('):
        load(catalogue, decode=True)


def test_class_without_training_photos(catalogue: Path) -> None:
    """A class of one product cannot be learned in the fold that tests it."""
    text = catalogue.read_text().replace('photos/0_', 'photos/0_').replace(',p0,belts', ',p0,rare')
    catalogue.write_text(text)
    products = [f'p{number}' for number in range(12)]
    lines = [f'{name},{int(name in ("p0", "p1", "p2"))}' for name in products]
    (catalogue.parent / 'folds.csv').write_text('\n'.join(['product_id,fold', *lines]))
    options = {'fold_file': 'folds.csv'}
    with pytest.raises(ArgumentError, match=r'1 classes have no photo in train .*, fold 1: rare\.'):
        load(catalogue, 'train', fold=1, **options)
    assert len(load(catalogue, 'test', fold=0, **options)) == 18  # a warning only
    with pytest.raises(ArgumentError, match=r'by 1 in a column `val`, but has none: `bgremoval'):
        load(catalogue, 'val', fold=0, **options)


def test_product_of_two_classes(catalogue: Path) -> None:
    """It is an error that names it, unless one of them is left out."""
    catalogue.write_text(catalogue.read_text().replace('0_1.png,p0,belts', '0_1.png,p0,shoes'))
    with pytest.raises(ArgumentError, match=r'have several: p0 \(belts, shoes\)'):
        load(catalogue)
    assert len(load(catalogue, metainfo={'classes': ('belts', 'shirts')})) == 15


def test_fold_without_photos_that_are_used(tmp_path: Path, write_manifest: Callable) -> None:
    """Folds in a column are those of the whole table, whichever photos `where` takes."""
    rows = [
        (f'{number}.png', f'p{number}', 'belts', 'men', str(number == 1)) for number in range(3)
    ]
    path = write_manifest(rows)
    lines = path.read_text().splitlines()
    numbers = ('fold', '0', '1', '2')
    path.write_text('\n'.join(f'{line},{each}' for line, each in zip(lines, numbers, strict=True)))
    for number in range(3):
        Image.new('RGB', (8, 8)).save(tmp_path / f'{number}.png')
    options = {'where': {'is_person': 'False'}}
    found = [samples(load(path, 'test', fold=fold, **options)) for fold in (0, 2)]
    assert [[each['product_id'] for each in fold] for fold in found] == [['p0'], ['p2']]
    with pytest.raises(ArgumentError, match=r'^Catalogue test has no photo in '):
        load(path, 'test', fold=1, **options)
    every = load(path, 'test', fold=2)
    assert every.metainfo['split'] == load(path, 'test', fold=2, **options).metainfo['split']
    path.write_text(path.read_text().replace('True,1', 'True,').replace('False,2', 'False,1'))
    assert len(load(path, 'train', fold=1, **options)) == 1
    with pytest.raises(ArgumentError, match=r'a fold in .*, column fold, but 1 have none: p1'):
        load(path, 'train', fold=1)


def test_product_without_a_fold(catalogue: Path, folds: Folds) -> None:
    """A product that came after the folds were made is named."""
    path = catalogue.parent / 'folds.csv'
    path.write_text(''.join(line for line in path.open() if not line.startswith('p7,')))
    with pytest.raises(ArgumentError, match=r'a fold in .*folds\.csv, but 1 have none: p7'):
        load(catalogue, fold=0, fold_file='folds.csv')


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'form': 'xml'}, "`form` must be one of 'csv', 'styles', but got 'xml'"),
        ({'bad_photos': 'drop'}, "`bad_photos` must be one of 'error', 'skip', but got 'drop'"),
        ({'fold_file': 'folds.csv'}, r'`fold` must be the number of a fold of .*folds\.csv, but'),
        ({'subset': 'val'}, "`fold` must be given for the subset 'val', but got None"),
        ({'fold': 2, 'fold_file': 'folds.csv'}, r'`fold` must be 0 to 1 \(.*\), but got 2'),
        ({'fold': 0}, 'must have the column fold, or `fold_file` must name a file of folds'),
        ({'label': 'colour'}, 'but has no colour; it has image, product_id'),
    ],
)
def test_errors(catalogue: Path, folds: Folds, options: dict[str, Any], expected: str) -> None:
    """Arguments that are not allowed, or do not go together."""
    with pytest.raises(ArgumentError, match=expected):
        load(catalogue, **options)


@pytest.mark.real
def test_luma(repository: Path) -> None:
    """The real catalogue, by category and by gender."""
    root = repository / 'data' / 'luma_catalogue'
    if not root.is_dir():
        pytest.skip('needs data/luma_catalogue: python tools/prepare_dataset.py luma')
    columns = {'image': 'file', 'product': 'item_id'}
    assert len(Catalogue(root, **columns)) == 717
    assert Catalogue(root, label='gender', **columns).CLASSES == ('men', 'unisex', 'women')
