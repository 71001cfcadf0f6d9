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
