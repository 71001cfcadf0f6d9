"""Cars196, CUB200, StanfordOnlineProducts and GroceryStore on small trees: splits and checks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image
from scipy.io import savemat

from bgremoval_mm.datasets.base.class_split import ClassSplitDataset
from bgremoval_mm.datasets.grocery_store import subset_of
from bgremoval_mm.removal.errors import ArgumentError

SUBSETS = ('train', 'val', 'test')


def photo(path: Path) -> None:
    """A photo of a few pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (8, 8), 'green').save(path)


def cars(root: Path) -> None:
    """Two photos of each of the 196 classes, as Stanford's annotation file has them."""
    rows = []
    for index in range(392):
        photo(root / f'car_ims/{index + 1:06}.jpg')
        rows.append((f'car_ims/{index + 1:06}.jpg', 1, 2, 7, 8, index % 196 + 1, index % 2))
    boxes = [(f'bbox_{corner}', 'O') for corner in ('x1', 'y1', 'x2', 'y2')]
    kinds = [('relative_im_path', 'O'), *boxes, ('class', 'O'), ('test', 'O')]
    names = np.array([f'Car {number}' for number in range(196)], object)
    content = {'annotations': np.array(rows, kinds), 'class_names': names}
    savemat(root / 'cars_annos.mat', content)


def birds(root: Path) -> None:
    """Two photos of each of the 200 classes, with Caltech's lists."""
    names = [f'{number + 1:03}.Bird_{number}' for number in range(200)]
    paths = [f'{name}/{name[4:]}_{index}.jpg' for name in names for index in range(2)]
    for path in paths:
        photo(root / 'images' / path)
    lists = {
        'images.txt': [f'{index + 1} {path}' for index, path in enumerate(paths)],
        'image_class_labels.txt': [f'{index + 1} {index // 2 + 1}' for index in range(400)],
        'classes.txt': [f'{index + 1} {name}' for index, name in enumerate(names)],
    }
    for name, lines in lists.items():
        (root / name).write_text('\n'.join(lines) + '\n')


def products(root: Path) -> None:
    """Products on both sides of the borders of the split, in the lists of the dataset."""
    lists = {'Ebay_train.txt': (1, 2, 8489, 8490, 11318), 'Ebay_test.txt': (11319, 22634)}
    image = 0
    for file, classes in lists.items():
        lines = ['image_id class_id super_class_id path']
        for number in classes:
            for index in range(2):
                image += 1
                path = f'bicycle_final/{number}_{index}.JPG'
                lines.append(f'{image} {number} 1 {path}')
                photo(root / path)
        (root / file).write_text('\n'.join(lines) + '\n')


def groceries(root: Path, top: str = 'natural', table: str = '.') -> None:
    """Two photos of each of 17 classes, one in the folder for test."""
    lines = ['Class Name (str),Class ID (int),Coarse Class Name (str)']
    for number in range(17):
        lines.append(f'Fruit-{number},{number},Fruit')
        for folder in ('train', 'test'):
            photo(root / top / folder / f'Fruit/Fruit-{number}/Fruit-{number}_001.jpg')
    for folder in SUBSETS:
        (root / top / folder).mkdir(exist_ok=True)
    (root / table).mkdir(exist_ok=True)
    (root / table / 'classes.csv').write_text('\n'.join(lines))


def load(kind: str, root: Path, subset: str, **options: object) -> ClassSplitDataset:
    """One subset, built as from a config."""
    config = dict(type=kind, data_root=str(root), subset=subset, **options)
    dataset: ClassSplitDataset = DATASETS.build(config)
    return dataset


MAKERS: dict[str, tuple[Callable[[Path], None], tuple[int, int, int]]] = {
    'Cars196': (cars, (74, 24, 98)),
    'CUB200': (birds, (75, 25, 100)),
    'StanfordOnlineProducts': (products, (3, 2, 2)),
    'GroceryStore': (groceries, (6, 3, 8)),
}


@pytest.mark.parametrize('kind', MAKERS)
def test_split_by_class(tmp_path: Path, kind: str) -> None:
    """As many classes in each subset as there must be, none in two, labels without gaps."""
    make, expected = MAKERS[kind]
    make(tmp_path)
    subsets = [load(kind, tmp_path, subset, complete=False) for subset in SUBSETS]
    assert tuple(len(each.CLASSES) for each in subsets) == expected
    assert len({name for each in subsets for name in each.CLASSES}) == sum(expected)
    for each, size in zip(subsets, expected, strict=True):
        assert np.unique(each.get_gt_labels()).tolist() == list(range(size))
        assert len(each) == 2 * size
        assert all(Path(each.get_data_info(index)['img_path']).is_file() for index in range(3))
        assert each.metainfo['classes'] == each.CLASSES


def test_borders_of_the_splits(tmp_path: Path) -> None:
    """Which class is the first and the last of a subset, by its name."""
    found = {}
    for kind, (make, _) in MAKERS.items():
        (tmp_path / kind).mkdir()
        make(tmp_path / kind)
        subsets = [load(kind, tmp_path / kind, subset, complete=False) for subset in SUBSETS]
        found[kind] = [(each.CLASSES[0], each.CLASSES[-1]) for each in subsets]
    assert found == {
        'Cars196': [('Car 0', 'Car 73'), ('Car 74', 'Car 97'), ('Car 98', 'Car 195')],
        'CUB200': [
            ('001.Bird_0', '075.Bird_74'),
            ('076.Bird_75', '100.Bird_99'),
            ('101.Bird_100', '200.Bird_199'),
        ],
        'StanfordOnlineProducts': [
            ('bicycle/1', 'bicycle/8489'),
            ('bicycle/8490', 'bicycle/11318'),
            ('bicycle/11319', 'bicycle/22634'),
        ],
        'GroceryStore': [('Fruit-2', 'Fruit-14'), ('Fruit-0', 'Fruit-16'), ('Fruit-1', 'Fruit-15')],
    }


@pytest.mark.parametrize('kind', ['Cars196', 'CUB200', 'StanfordOnlineProducts'])
def test_counts_are_checked(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of another size than the published one is an error, unless a part is wanted."""
    MAKERS[kind][0](tmp_path)
    with pytest.raises(ArgumentError, match=rf'^{kind} has 1.* photos, .*but .* complete=False'):
        load(kind, tmp_path, 'val')
    dataset = load(kind, tmp_path, 'val', complete=False)
    sizes = {'Cars196': (392, 196), 'CUB200': (400, 200), 'StanfordOnlineProducts': (14, 7)}
    size = dict(zip(('photos', 'classes'), sizes[kind], strict=True))
    monkeypatch.setattr(type(dataset), 'SIZE', size)
    assert len(load(kind, tmp_path, 'val')) == len(dataset)


def test_published_sizes() -> None:
    """The numbers of the datasets' own pages."""
    sizes = {kind: DATASETS.get(kind).SIZE for kind in MAKERS}
    assert sizes['Cars196'] == {'photos': 16_185, 'classes': 196}
    assert sizes['CUB200'] == {'photos': 11_788, 'classes': 200}
    assert sizes['StanfordOnlineProducts'] == {'photos': 120_053, 'classes': 22_634}


@pytest.mark.parametrize('kind', MAKERS)
def test_missing_files(tmp_path: Path, kind: str) -> None:
    """An empty folder, and a photo that is gone, are errors that say where to get the dataset."""
    with pytest.raises(FileNotFoundError, match=rf'^`data_root` must .*{kind}.*Get {kind} from'):
        load(kind, tmp_path, 'train')
    if kind != 'GroceryStore':  # which has no list
        MAKERS[kind][0](tmp_path)
        dataset = load(kind, tmp_path, 'train', complete=False)
        Path(dataset.get_data_info(1)['img_path']).unlink()
        with pytest.raises(FileNotFoundError, match=rf'^1 photos of {kind} are missing'):
            load(kind, tmp_path, 'train', complete=False)


@pytest.mark.parametrize('to', ['nowhere', '000001.jpg', '..'])
def test_links_that_lead_to_no_photo(tmp_path: Path, to: str) -> None:
    """They are missing photos: a training would end at the first of them."""
    cars(tmp_path)
    photo = tmp_path / 'car_ims/000001.jpg'
    photo.rename(tmp_path / 'kept.jpg')
    photo.symlink_to('../kept.jpg')
    assert len(load('Cars196', tmp_path, 'train', complete=False)) == 148
    photo.unlink()
    photo.symlink_to(to)
    with pytest.raises(FileNotFoundError, match=r'^1 photos of Cars196 are missing: .*000001\.jpg'):
        load('Cars196', tmp_path, 'train', complete=False)


def test_class_in_two_subsets(tmp_path: Path) -> None:
    """A product for test that is also in training is an error that names it."""
    products(tmp_path)
    with (tmp_path / 'Ebay_test.txt').open('a') as file:
        file.write('99 2 1 bicycle_final/2_0.JPG\n')
    with pytest.raises(ArgumentError, match=r'^the class bicycle/2 .* is in train and in test'):
        load('StanfordOnlineProducts', tmp_path, 'test', complete=False)


def test_broken_lists(tmp_path: Path) -> None:
    """A line with too few columns, and a photo without a class."""
    birds(tmp_path)
    labels = tmp_path / 'image_class_labels.txt'
    whole = labels.read_text()
    labels.write_text(whole.replace('3 2\n', '', 1))
    with pytest.raises(ArgumentError, match=r'do not give the class of 002\.Bird_1/Bird_1_0\.jpg'):
        load('CUB200', tmp_path, 'train', complete=False)
    labels.write_text(whole.replace('3 2\n', '3\n', 1))
    with pytest.raises(ArgumentError, match="must have 2 columns, but row 3 is '3'"):
        load('CUB200', tmp_path, 'train', complete=False)


def test_lists_of_an_editor(tmp_path: Path) -> None:
    """A byte order mark is no part of the first cell; another encoding is an error."""
    birds(tmp_path)
    for name in ('images.txt', 'image_class_labels.txt', 'classes.txt'):
        path = tmp_path / name
        path.write_text('\ufeff' + path.read_text().replace('\n', '\r\n'), encoding='utf-8')
    assert len(load('CUB200', tmp_path, 'train', complete=False)) == 150
    (tmp_path / 'classes.txt').write_bytes(b'1 001.Bird_\xf1\n')
    with pytest.raises(ArgumentError, match=r'classes\.txt must be a text file .* not UTF-8'):
        load('CUB200', tmp_path, 'train', complete=False)


@pytest.mark.parametrize('text', ['0', 'x', '-1', '1.0'])
def test_classes_that_are_no_numbers(tmp_path: Path, text: str) -> None:
    """The error names the list; 0 was the last class."""
    for kind, file, old in (
        ('CUB200', 'image_class_labels.txt', '\n3 2\n'),
        ('CUB200', 'classes.txt', '\n2 002'),
        ('StanfordOnlineProducts', 'Ebay_test.txt', ' 22634 1 '),
    ):
        root = tmp_path / file
        root.mkdir()
        MAKERS[kind][0](root)
        good = (root / file).read_text()
        new = {'\n3 2\n': f'\n3 {text}\n', '\n2 002': f'\n{text} 002'}.get(old, f' {text} 1 ')
        (root / file).write_text(good.replace(old, new, 1))
        with pytest.raises(ArgumentError, match=rf"{file} must number the classes .* '{text}'"):
            load(kind, root, 'test', complete=False)


def test_annotations_of_cars_that_are_none(tmp_path: Path) -> None:
    """A damaged file, another one, and a class that there is not are named."""
    path = tmp_path / 'cars_annos.mat'
    path.write_bytes(b'MATLAB 5.0')
    with pytest.raises(ArgumentError, match=r'cars_annos\.mat, the annotations, cannot be read'):
        load('Cars196', tmp_path, 'train')
    savemat(path, {'annotations': np.zeros(1)})
    with pytest.raises(ArgumentError, match=r'cars_annos\.mat, .*class_names'):
        load('Cars196', tmp_path, 'train')
    rows = np.array([('a.jpg', 0), ('b.jpg', 1)], [('relative_im_path', 'O'), ('class', 'O')])
    savemat(path, {'annotations': rows, 'class_names': np.array(['one', 'two'], object)})
    with pytest.raises(ArgumentError, match=r'classes from 1 to 2, but has 0 \(a\.jpg\)'):
        load('Cars196', tmp_path, 'train')


@pytest.mark.parametrize(('top', 'table'), [('dataset', 'dataset'), ('.', '.')])
def test_repository_of_groceries(tmp_path: Path, top: str, table: str) -> None:
    """The whole repository, or its folder `dataset`, is read as the part is."""
    groceries(tmp_path, top, table)
    assert len(load('GroceryStore', tmp_path, 'test')) == 16


def test_broken_groceries(tmp_path: Path) -> None:
    """A photo outside the classes, a class without a photo, and classes with gaps."""
    groceries(tmp_path)
    photo(tmp_path / 'natural/val/Fruit/Durian/Durian_001.jpg')
    with pytest.raises(ArgumentError, match='photos of unknown classes: natural/val/Fruit/Durian'):
        load('GroceryStore', tmp_path, 'train')
    (tmp_path / 'natural/val/Fruit/Durian/Durian_001.jpg').unlink()
    table = tmp_path / 'classes.csv'
    whole = table.read_text()
    table.write_text(whole + '\nKiwi,17,Kiwi')
    with pytest.raises(ArgumentError, match='has no photo of Kiwi'):
        load('GroceryStore', tmp_path, 'train')
    table.write_text(whole + '\nKiwi,40,Kiwi')
    with pytest.raises(ArgumentError, match='from 0 without gaps'):
        load('GroceryStore', tmp_path, 'train')


def test_groceries_of_a_part_of_the_folders(tmp_path: Path) -> None:
    """A copy that lacks a folder, or has one that leads nowhere, is no smaller dataset."""
    groceries(tmp_path)
    assert len(load('GroceryStore', tmp_path, 'test')) == 16
    (tmp_path / 'natural/train/Fruit/Fruit-3').rename(tmp_path / 'elsewhere')
    (tmp_path / 'natural/train/Fruit/Fruit-3').symlink_to('nowhere')
    with pytest.raises(OSError, match=r'train cannot be read: Fruit/Fruit-3: a link to something'):
        load('GroceryStore', tmp_path, 'test')
    (tmp_path / 'natural/train/Fruit/Fruit-3').unlink()
    shutil.rmtree(tmp_path / 'natural/test')
    with pytest.raises(FileNotFoundError, match=r'GroceryStore, with natural/test in it'):
        load('GroceryStore', tmp_path, 'test')


def test_empty_line_in_the_table_of_the_groceries(tmp_path: Path) -> None:
    """It is no class."""
    groceries(tmp_path)
    with (tmp_path / 'classes.csv').open('a') as file:
        file.write('\r\n\r\n')
    assert len(load('GroceryStore', tmp_path, 'test').CLASSES) == 8


def test_rule_of_the_groceries() -> None:
    """Of the 81 classes, 30 are for training, 11 for validation and 40 for test."""
    subsets = [subset_of(number) for number in range(81)]
    assert [subsets.count(subset) for subset in SUBSETS] == [30, 11, 40]


@pytest.mark.parametrize(
    ('kind', 'name'),
    [
        ('Cars196', 'bn_inception/bn-inception_arcface_1xb32_cars196'),
        ('CUB200', 'bn_inception/bn-inception_triplet_1xb32_cub200'),
        ('StanfordOnlineProducts', 'bn_inception/bn-inception_contrastive_1xb32_sop'),
        ('GroceryStore', 'efficientnet_lite/efficientnet-lite0_triplet_1xb32_grocery-store'),
    ],
)
@pytest.mark.parametrize('suffix', ['', '-bgaug'])
def test_datasets_of_the_configs(
    tmp_path: Path,
    repository: Path,
    masked: Callable[[Path], str],
    kind: str,
    name: str,
    suffix: str,
) -> None:
    """All subsets are built, original and with replaced backgrounds, and give network inputs."""
    pytest.importorskip('mmpretrain')
    root = tmp_path / 'photos'
    root.mkdir()
    MAKERS[kind][0](root)
    Image.new('RGB', (40, 40), 'red').save(tmp_path / 'background.png')
    (tmp_path / 'bank.txt').write_text('background.png')
    store = masked(root)
    config = Config.fromfile(repository / f'configs/metric_learning/{name}{suffix}.py')
    size = 227 if 'bn_inception' in name else 128
    for subset, classes in zip(SUBSETS, MAKERS[kind][1], strict=True):
        outer = config[f'{subset}_dataloader'].dataset
        photos = outer
        if outer.type == 'RembgDataset':
            outer.update(bank=str(tmp_path / 'bank.txt'), mask_dir=store, model='u2netp')
            photos = outer.dataset
        assert (outer is photos) == (not suffix or subset == 'test')
        photos.update(data_root=str(root))
        if kind != 'GroceryStore':  # whose number of photos is not checked
            photos.update(complete=False)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            dataset = DATASETS.build(outer)
            assert len(dataset.metainfo['classes']) == classes
            assert dataset[0]['inputs'].shape == (3, size, size)
            red = dataset[0]['inputs'][2].float().mean() > 20  # the photos are green
        assert bool(red) == (outer is not photos)


@pytest.mark.real
def test_real_groceries(repository: Path) -> None:
    """The part with 20 photos of each class."""
    root = repository / 'data/grocery_store'
    if not root.is_dir():
        pytest.skip('data/grocery_store is not there')
    sizes = [len(load('GroceryStore', root, subset)) for subset in SUBSETS]
    assert [size % 20 for size in sizes] == [0, 0, 0] or sum(sizes) == 5421
    assert len(load('GroceryStore', root, 'test').CLASSES) == 40
