"""The configs of product catalogues: what they hold, their augmentation, and a short training."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from PIL import Image

from bgremoval_mm.datasets.products.folds import make_folds
from bgremoval_mm.datasets.products.manifest import Columns, read_manifest
from bgremoval_mm.utils.tables import csv_bytes

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs/classification/catalogue'
SIZES = {'catalogue224.py': 224, 'catalogue299.py': 299}


def load(name: str) -> Config:
    """Load a config of the folder."""
    for codebase in ('mmpretrain', 'mmdet', 'mmseg'):
        pytest.importorskip(codebase)
    return Config.fromfile(FOLDER / f'{name}.py')


def build(pipeline: list[dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Build transforms of mmpretrain."""
    pytest.importorskip('mmpretrain.datasets')
    from mmengine.dataset import Compose

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return Compose(pipeline)


@pytest.mark.parametrize('name', SIZES)
def test_bounds_of_the_augmentation(name: str) -> None:
    """A square is moved by up to a quarter of the side and zoomed by up to a quarter, no further.

    What comes in from outside is the photo's edge: on white photos there is no border.
    """
    size = SIZES[name]
    steps = Config.fromfile(ROOT / 'configs/_base_/pipelines' / name).train_pipeline
    assert steps[1]['scale'] == (size, size)
    assert steps[2] == {'type': 'RandomFlip', 'prob': 0.5, 'direction': 'horizontal'}
    augment = build(steps[3:-1])
    photo = np.full((size, size, 3), 255, np.uint8)
    middle, half = size // 2, 20
    photo[middle - half : middle + half, middle - half : middle + half] = 0
    centres, scales = [], []
    torch.manual_seed(0)
    for _ in range(150):
        found = augment({'img': photo.copy()})['img']
        assert found.shape == (size, size, 3)
        assert found[[0, 0, -1, -1], [0, -1, 0, -1]].min() == 255
        rows, columns = np.nonzero(found[..., 0] < 128)
        centres.append([(each.min() + each.max() + 1) / 2 for each in (rows, columns)])
        scales.append((columns.max() - columns.min() + 1) / (2 * half))
    shifts = np.abs(np.array(centres) - middle) / size
    assert 0.22 < shifts.max() < 0.26
    assert 0.72 < min(scales) < 0.8
    assert 1.2 < max(scales) < 1.28


def test_configs_have_the_tasks_of_the_work() -> None:
    """Categories, genders and persons, each of the same folds."""
    labels = {'': 'category', '-gender': 'gender', '-person': 'person_in_photo'}
    found = {}
    for task, label in labels.items():
        names = [
            path.stem
            for path in FOLDER.glob(f'*_luma{task}.py')
            if path.stem.endswith(f'_luma{task}')
        ]
        found[task] = len(names)
        config = load(names[0])
        assert config.train_dataloader.dataset.label == label
        assert config.train_dataloader.dataset.fold_file == 'data/folds/luma.csv'
    assert found == {'': 19, '-gender': 7, '-person': 5}


@pytest.mark.parametrize(
    ('name', 'trained'),
    [
        ('inception-v3_in1k-pre_top_1xb32_luma', r'backbone\.fc\.'),
        ('vgg19_in1k-pre_top_1xb32_luma', r'backbone\.classifier\.'),
        ('vgg16_in1k-pre_1xb32_luma', r'backbone\.'),
    ],
)
@pytest.mark.usefixtures('no_initialisation')
def test_what_is_trained(name: str, trained: str) -> None:
    """With `top`, the last layers alone have a learning rate; without, all layers."""
    from mmengine.optim import build_optim_wrapper

    config = load(name)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    rates = {}
    names = {id(value): key for key, value in model.named_parameters()}
    for group in wrapper.optimizer.param_groups:
        rates |= {names[id(value)]: group['lr'] for value in group['params']}
    assert set(rates) == set(names.values())
    for key, rate in rates.items():
        assert (rate > 0) == bool(re.match(trained, key)), key


def test_readme_names_every_config() -> None:
    """The patterns of the tables stand for each config, once."""
    text = (FOLDER / 'README.md').read_text(encoding='utf-8')
    named = []
    for pattern in re.findall(r'`(\S+\.py)`', text):
        parts = re.split(r'\{(.*?)\}', pattern)
        choices = [part.split(',') if number % 2 else [part] for number, part in enumerate(parts)]
        named += [''.join(chosen) for chosen in product(*choices)]
    assert sorted(named) == sorted(path.name for path in FOLDER.glob('*.py'))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A tiny shop of Luma's categories: six products each with two photos, of one colour."""
    classes = load('vgg-like_1xb32_luma').train_dataloader.dataset.metainfo.classes
    rng = np.random.default_rng(0)
    rows = []
    root = tmp_path / 'shop'
    (root / 'images').mkdir(parents=True)
    for label, name in enumerate(classes):
        for number in range(6):
            for view in range(2):
                file = f'images/{label}_{number}_{view}.png'
                pixels = rng.integers(0, 60, (40, 32, 3), np.uint8)
                pixels[..., label % 3] += 19 * label
                Image.fromarray(pixels).save(root / file)
                item, person = f'{label}-{number}', int(label < 5)
                rows.append(
                    {'file': file, 'item_id': item, 'category': name, 'person_in_photo': person}
                )
    header = ('file', 'item_id', 'category', 'person_in_photo')
    (root / 'products.csv').write_bytes(csv_bytes(header, rows))
    manifest = read_manifest(root / 'products.csv', Columns('file', 'item_id'))
    (root / 'folds.csv').write_bytes(make_folds(manifest, 3, 0.2).content('item_id'))
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        'vgg-like_1xb32_luma',
        'vgg-like_1xb32_luma-person',
        'efficientnet-lite0_in1k-pre_top_1xb32_luma',
    ],
)
def test_trains_and_tests(
    name: str, shop: Path, tmp_path: Path, run_tool: Callable[..., None]
) -> None:
    """An epoch at 32 pixels, and tools/test.py: accuracies by photo and by product."""
    load(name)
    small = {'model.backbone.in_size': 32}
    if name.startswith('efficientnet'):
        pytest.importorskip('timm')
        small = {'model.backbone.init_cfg': None}
    settings: dict[str, Any] = {
        **small,
        'datasets.data_root': shop,
        'datasets.fold_file': shop / 'folds.csv',
        'datasets.fold': 1,
        'train_cfg.max_epochs': 1,
        'train_dataloader.dataset.pipeline.4.padding': 16,
        'train_dataloader.dataset.pipeline.6.size': 32,
    }
    for loader in ('train', 'val', 'test'):
        settings[f'{loader}_dataloader.num_workers'] = 0
        settings[f'{loader}_dataloader.dataset.pipeline.1.scale'] = '(32,32)'
    options = ['--cfg-options', *(f'{key}={value}' for key, value in settings.items())]
    config = str(FOLDER / f'{name}.py')
    run_tool('train', config, '--work-dir', str(tmp_path / 'run'), *options)
    checkpoint = tmp_path / 'run' / 'epoch_1.pth'
    meta = torch.load(checkpoint, weights_only=False)['meta']['dataset_meta']
    assert meta['split']['fold'] == 1
    assert meta['split']['source'] == str(shop / 'folds.csv')
    run_tool('test', config, str(checkpoint), '--work-dir', str(tmp_path / 'test'), *options)
    results = [log.read_text() for log in (tmp_path / 'test').glob('*/*.json')]
    (found,) = (json.loads(text) for text in results if 'accuracy/product/sum' in text)
    assert found['accuracy/image'] == pytest.approx(found['accuracy/top1'])
    assert {'accuracy/product/max', 'accuracy/product/vote'} <= set(found)
