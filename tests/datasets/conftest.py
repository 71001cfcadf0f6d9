"""Real datasets of the three codebases on small trees, and masks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import remove_tree


@pytest.fixture
def model(tiny_model):
    """The name `u2netp`, standing for tiny weights."""
    tiny_model('u2netp')
    return 'u2netp'


@pytest.fixture
def masked(model, tmp_path: Path) -> Callable[[Path], str]:
    """A function that fills a MaskStore for a folder and returns the store's root."""

    def fill(root: Path) -> str:
        remove_tree(root, tmp_path / 'masks', model, device='cpu', progress=False)
        return str(tmp_path / 'masks')

    return fill


@pytest.fixture
def class_folders(image_tree: Path) -> dict:
    """Config of an mmpretrain dataset of class folders, with a real pipeline."""
    pytest.importorskip('mmpretrain')
    return {
        'type': 'mmpretrain.CustomDataset',
        'data_root': str(image_tree),
        'pipeline': [
            {'type': 'LoadImageFromFile'},
            {'type': 'mmpretrain.PackInputs'},
        ],
    }


@pytest.fixture
def coco(tmp_path: Path, picture) -> dict:
    """Config of an mmdet COCO dataset of four images with a box and a polygon each."""
    pytest.importorskip('mmdet')
    root = tmp_path / 'coco'
    (root / 'train').mkdir(parents=True)
    images, annotations = [], []
    for index in range(4):
        Image.fromarray(picture(40, 30, index)).save(root / 'train' / f'{index}.jpg')
        images.append({'id': index, 'file_name': f'{index}.jpg', 'width': 40, 'height': 30})
        annotations.append({
            'id': index + 1,
            'image_id': index,
            'category_id': 0,
            'bbox': [10, 7, 20, 15],
            'area': 300,
            'iscrowd': 0,
            'segmentation': [[10, 7, 30, 7, 30, 22, 10, 22]],
        })  # fmt: skip
    content = {
        'images': images,
        'annotations': annotations,
        'categories': [{'id': 0, 'name': 'shirt, blouse'}],
    }
    (root / 'train.json').write_text(json.dumps(content))
    return {
        'type': 'mmdet.CocoDataset',
        'data_root': str(root),
        'ann_file': 'train.json',
        'data_prefix': {'img': 'train/'},
        'metainfo': {'classes': ('shirt, blouse',)},
        'pipeline': [
            {'type': 'LoadImageFromFile', 'to_float32': True},
            {'type': 'mmdet.LoadAnnotations', 'with_bbox': True, 'with_mask': True},
            {'type': 'mmdet.PackDetInputs'},
        ],
    }


@pytest.fixture
def label_maps(tmp_path: Path, picture) -> dict:
    """Config of an mmseg dataset of three images with a label map each."""
    pytest.importorskip('mmseg')
    root = tmp_path / 'seg'
    for folder in ('img', 'ann'):
        (root / folder).mkdir(parents=True)
    for index in range(3):
        Image.fromarray(picture(24, 16, index)).save(root / 'img' / f'{index}.jpg')
        labels = np.zeros((16, 24), np.uint8)
        labels[4:-4, 6:-6] = 1
        Image.fromarray(labels).save(root / 'ann' / f'{index}.png')
    return {
        'type': 'mmseg.BaseSegDataset',
        'data_root': str(root),
        'data_prefix': {'img_path': 'img', 'seg_map_path': 'ann'},
        'metainfo': {'classes': ('background', 'garment')},
        'pipeline': [
            {'type': 'LoadImageFromFile'},
            {'type': 'mmseg.LoadAnnotations'},
            {'type': 'mmseg.PackSegInputs'},
        ],
    }


@pytest.fixture(params=['class_folders', 'coco', 'label_maps'])
def any_dataset(request: pytest.FixtureRequest) -> dict:
    """Each of the three configs in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def write_manifest(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a manifest of rows of five cells."""

    def write(rows: Iterable[tuple[str, ...]], name: str = 'products.csv') -> Path:
        path = tmp_path / name
        header = 'image,product_id,category,gender,is_person'
        path.write_text('\n'.join([header, *(','.join(row) for row in rows)]) + '\n')
        return path

    return write


@pytest.fixture
def catalogue(tmp_path: Path, write_manifest: Callable[..., Path]) -> Path:
    """A catalogue of 12 products with two photos each, of three classes: its manifest."""
    rows = []
    (tmp_path / 'photos').mkdir()
    for number in range(12):
        category = ('belts', 'shoes', 'shirts')[number % 3]
        gender = 'men' if number < 6 else 'women'
        for view in range(2):
            path = f'photos/{number}_{view}.png'
            pixels = np.full((8, 8, 3), 20 * number + view, np.uint8)
            Image.fromarray(pixels).save(tmp_path / path)
            rows.append((path, f'p{number}', category, gender, str(view)))
    return write_manifest(rows)


def _photos(root: Path, names: Iterable[str], colour: str = 'green') -> None:
    """Photos of a few pixels."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (16, 16), colour).save(path)


def _counted_list(path: Path, header: str, rows: list[str]) -> None:
    """A list as DeepFashion has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join([str(len(rows)), header, *rows]) + '\n')


@pytest.fixture
def deepfashion_category(tmp_path: Path) -> Path:
    """Five categories, two of which belong to Dress, with a photo of each in each subset."""
    root = tmp_path / 'category'
    names = ('Tee', 'Jeans', 'Dress', 'Sundress', 'Cape')
    _counted_list(
        root / 'Anno_coarse/list_category_cloth.txt',
        'category_name  category_type',
        [f'{name:<20}{kind}' for name, kind in zip(names, '12333', strict=True)],
    )
    labels, parts = [], []
    for number, name in enumerate(names, 1):
        for index, part in enumerate(('train', 'val', 'test')):
            path = f'img/Long_Sleeve_{name}/img_0000000{index}.jpg'
            labels.append(f'{path}    {number}')
            parts.append(f'{path}  {part}')
    _counted_list(
        root / 'Anno_coarse/list_category_img.txt', 'image_name  category_label', labels
    )
    _counted_list(
        root / 'Eval/list_eval_partition.txt', 'image_name  evaluation_status', parts[::-1]
    )
    _photos(root / 'Img', [label.split()[0] for label in labels])
    return root


@pytest.fixture
def deepfashion_inshop(tmp_path: Path) -> Path:
    """Two items for training, and two with a query and two photos in the gallery each."""
    root, rows = tmp_path / 'inshop', []
    for number in range(1, 5):
        group = 'WOMEN/Dresses' if number % 2 else 'MEN/Pants'
        roles = ('train',) * 3 if number < 3 else ('query', 'gallery', 'gallery')
        for view, role in zip(('1_front', '2_side', '4_full'), roles, strict=True):
            item = f'id_0000000{number}'
            rows.append(f'img/{group}/{item}/01_{view}.jpg {item} {role}')
    header = 'image_name item_id evaluation_status'
    _counted_list(root / 'Eval/list_eval_partition.txt', header, rows)
    _photos(root / 'Img', [row.split()[0] for row in rows])
    return root


@pytest.fixture
def deepfashion_consumer2shop(tmp_path: Path) -> Path:
    """An item for training, one for validation and one for test; each pair of its photos."""
    root, rows = tmp_path / 'consumer2shop', []
    for number, (group, split) in enumerate(
        (('TOPS/T_Shirt', 'train'), ('DRESSES/Lace_Dress', 'val'), ('TOPS/Blouse', 'test')), 1
    ):
        folder = f'img/{group}/id_0000000{number}'
        rows += [
            f'{folder}/comsumer_0{one}.jpg {folder}/shop_0{two}.jpg id_0000000{number} {split}'
            for one in (1, 2)
            for two in (1, 2)
        ]
    header = 'image_pair_name_1 image_pair_name_2 item_id evaluation_status'
    _counted_list(root / 'Eval/list_eval_partition.txt', header, rows)
    _photos(root / 'Img', [name for row in rows for name in row.split()[:2]])
    return root


@pytest.fixture
def luma_items(tmp_path: Path) -> Path:
    """A catalogue of 12 products in two colours, with folds; the first colour has two views."""
    root = tmp_path / 'luma'
    lines = ['file,item_id,category,colour,view,fold,val']
    for number in range(12):
        category = ('Jackets', 'Tees')[number % 2]
        fold, val = number // 2 % 3, int(number > 9)
        for colour, view in (('red', 'main'), ('red', 'back'), ('blue', 'main')):
            path = f'images/{number:02}-{colour}_{view}.png'
            lines.append(f'{path},p{number:02},{category},{colour},{view},{fold},{val}')
    _photos(root, [line.partition(',')[0] for line in lines[1:]])
    (root / 'products.csv').write_text('\n'.join(lines) + '\n')
    return root


@pytest.fixture
def grocery_items(tmp_path: Path) -> Path:
    """Two photos of each of 17 products, one in the authors' folder for test."""
    root = tmp_path / 'groceries'
    lines = ['Class Name (str),Class ID (int),Coarse Class Name (str)']
    for number in range(17):
        lines.append(f'Fruit-{number},{number},{("Apple", "Pear", "Melon")[number % 3]}')
        _photos(
            root / 'natural',
            [f'{part}/Fruit/Fruit-{number}/{number}_001.jpg' for part in ('train', 'test')],
        )
    (root / 'natural/val').mkdir()
    (root / 'classes.csv').write_text('\n'.join(lines))
    return root
