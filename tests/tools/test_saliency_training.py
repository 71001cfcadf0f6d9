"""The configs of U2-Net, and a short training that learns eight pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

pytest.importorskip('mmseg')

from mmengine.registry import DATASETS, MODELS, OPTIMIZERS, DefaultScope

from bgremoval_mm.removal.pairs.manifest import Pair, write_manifest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs/saliency/u2net'
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
PAIRS = 'u2netp_1xb12-30e_pairs-320x320.py'
SIDE = 32


@pytest.fixture
def eight(tmp_path: Path) -> Path:
    """Eight pictures of a bright rectangle on dark noise, with their masks, as training pairs."""
    pairs = []
    for index in range(8):
        rng = np.random.default_rng(index)
        pixels = rng.integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        top, left = rng.integers(2, SIDE // 2 - 2, 2)
        height, width = rng.integers(SIDE // 3, SIDE // 2, 2)
        mask[top : top + height, left : left + width] = 255
        pixels[mask > 0] += rng.integers(120, 180, 3).astype(np.uint8)
        for name, content in (('image', pixels), ('mask', mask)):
            Image.fromarray(content).save(tmp_path / f'{name}{index}.png')
        pair = Pair(f'image{index}.png', f'mask{index}.png', SIDE, SIDE, '', '', 0.2, split='train')
        pairs.append(pair)
    write_manifest(tmp_path / 'manifest.csv', pairs)
    return tmp_path / 'manifest.csv'


@pytest.mark.parametrize('name', CONFIGS)
def test_config(name: str) -> None:
    """Its parts are found; the recipe is the authors' but where a config says otherwise."""
    config = Config.fromfile(FOLDER / name)
    with DefaultScope.overwrite_default_scope('mmseg'):
        for loader in ('train', 'val', 'test'):
            dataset = {**config[f'{loader}_dataloader'].dataset, 'lazy_init': True}
            assert DATASETS.build(dataset).metainfo['classes'] == ('background', 'foreground')
        model = MODELS.build(deepcopy(config.model))
        optimiser = OPTIMIZERS.build({**config.optim_wrapper.optimizer, 'params': [torch.zeros(1)]})
    arch = name.partition('_')[0].removesuffix('-pre')
    assert (model.arch, model.pretrained) == (arch, arch if '-pre' in name else None)
    assert config.train_dataloader.batch_size == 12
    expected = {'lr': 1e-4 if '-pre' in name else 1e-3, 'betas': (0.9, 0.999), 'eps': 1e-8}
    assert {key: optimiser.defaults[key] for key in expected} == expected
    assert optimiser.defaults['weight_decay'] == 0
    steps = [step['type'] for step in config.train_dataloader.dataset.pipeline]
    assert steps[1:4] == ['LoadSaliencyMask', 'Resize', 'RandomCrop']
    hook = config.default_hooks.checkpoint
    assert (hook.save_best, hook.rule) == ('saliency/IoU', 'greater')
    assert hook.interval == config.train_cfg.val_interval


@pytest.mark.slow
def test_learns_eight_pictures(eight: Path, tmp_path: Path, run_tool: Callable[..., None]) -> None:
    """Stock tools train U2-NetP from scratch to an IoU above 0.95, and test the best weights."""
    settings = {
        'train_cfg.max_epochs': 45,
        'train_cfg.val_interval': 15,
        'default_hooks.checkpoint.interval': 15,
        'train_dataloader.batch_size': 8,
        'optim_wrapper.optimizer.lr': 3e-3,
        'test_evaluator.metrics': '["IoU","MAE"]',
    }
    for loader in ('train', 'val', 'test'):
        settings[f'{loader}_dataloader.num_workers'] = 0
        settings[f'{loader}_dataloader.persistent_workers'] = False
        settings[f'{loader}_dataloader.dataset.manifest'] = str(eight)
        settings[f'{loader}_dataloader.dataset.split'] = 'train'
        resize = 2 if loader == 'train' else 1
        settings[f'{loader}_dataloader.dataset.pipeline.{resize}.scale'] = f'({SIDE},{SIDE})'
    settings['train_dataloader.dataset.pipeline.3.crop_size'] = f'({SIDE},{SIDE})'
    options = ['--cfg-options', *(f'{key}={value}' for key, value in settings.items())]
    run_tool('train', str(FOLDER / PAIRS), '--work-dir', str(tmp_path / 'run'), *options)
    (best,) = (tmp_path / 'run').glob('best_saliency_IoU_epoch_*.pth')
    run_tool('test', str(FOLDER / PAIRS), str(best), '--work-dir', str(tmp_path / 'test'), *options)
    results = [log.read_text() for log in (tmp_path / 'test').glob('*/*.json')]
    (found,) = (json.loads(text) for text in results if 'saliency/IoU' in text)
    assert found['saliency/IoU'] > 0.95
