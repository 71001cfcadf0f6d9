"""The metric learning configs: a short training and its test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from bgremoval_mm.removal import remove_tree

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs/metric_learning/efficientnet_lite'
NAMES = (
    'efficientnet-lite0_triplet_1xb32_grocery-store.py',
    'efficientnet-lite0_triplet_1xb32_grocery-store-bgaug.py',
    'efficientnet-lite0_normalized-softmax_1xb32_grocery-store.py',
)


@pytest.fixture
def groceries(tmp_path: Path) -> Path:
    """Two photos of each of the 81 classes, of noise."""
    rng = np.random.default_rng(0)
    root = tmp_path / 'grocery_store'
    lines = ['Class Name (str),Class ID (int)']
    for number in range(81):
        lines.append(f'Fruit-{number},{number}')
        for index in range(2):
            path = root / f'natural/train/Fruit/Fruit-{number}/Fruit-{number}_{index}.jpg'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    for folder in ('val', 'test'):
        (root / 'natural' / folder).mkdir()
    (root / 'classes.csv').write_text('\n'.join(lines))
    return root


@pytest.fixture
def sources(groceries: Path, tmp_path: Path, tiny_model: Callable) -> dict[str, str]:
    """Masks of all photos, and two banks of one background each."""
    tiny_model('u2net')
    masks = tmp_path / 'masks'
    remove_tree(groceries, masks, 'u2net', device='cpu', progress=False)
    banks = {}
    for number, name in enumerate('ab'):
        (tmp_path / f'bank_{name}').mkdir()
        photo = np.random.default_rng(number + 7).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(photo).save(tmp_path / f'bank_{name}' / 'photo.png')
        banks[f'bank_{name}'] = str(tmp_path / f'bank_{name}')
    return {'mask_dir': str(masks), **banks}


def options(config: Config, root: Path, sources: dict[str, str]) -> list[str]:
    """Options for two small iterations, without workers and downloads."""
    settings = {
        'model.backbone.init_cfg': None,
        'train_dataloader.batch_sampler.iterations': 2,
        'train_dataloader.batch_size': 8,
        'train_cfg.max_epochs': 1,
        'test_cfg.bank': sources['bank_b'],
        'test_cfg.mask_dir': sources['mask_dir'],
        'test_cfg.repeats': 2,
        'custom_hooks.2.mask_dir': sources['mask_dir'],
        'custom_hooks.2.samples': 1,
    }
    for loader in ('train', 'val', 'test'):
        dataset = f'{loader}_dataloader.dataset'
        settings[f'{loader}_dataloader.num_workers'] = 0
        if config[f'{loader}_dataloader'].dataset.type == 'RembgDataset':
            settings[f'{dataset}.bank'] = sources['bank_a']
            settings[f'{dataset}.mask_dir'] = sources['mask_dir']
            dataset += '.dataset'
        settings[f'{dataset}.data_root'] = str(root)
    return ['--cfg-options', *(f'{key}={value}' for key, value in settings.items())]


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_trains_and_tests(
    name: str,
    groceries: Path,
    sources: dict[str, str],
    tmp_path: Path,
    run_tool: Callable[..., None],
) -> None:
    """Two steps on the CPU, validation, the best checkpoint, and tools/test.py on it."""
    config = Config.fromfile(FOLDER / name)
    work_dir = tmp_path / 'run'
    chosen = options(config, groceries, sources)
    run_tool('train', str(FOLDER / name), '--work-dir', str(work_dir), *chosen)
    (best,) = work_dir.glob('best_retrieval_MAP@R_epoch_1.pth')
    run_tool('test', str(FOLDER / name), str(best), '--work-dir', str(tmp_path / 'test'), *chosen)
    results = {log.read_text() for log in (tmp_path / 'test').glob('*/*.json')}
    (found,) = (json.loads(text) for text in results if 'retrieval/MAP@R' in text)
    assert 0 <= found['retrieval/MAP@R'] <= found['retrieval/P@1'] <= 100
    assert found['retrieval/queries_left_out'] == 0
    assert 0 <= found['replaced/retrieval/MAP@R'] <= 100
    assert found['replaced_std/retrieval/MAP@R'] >= 0
    assert found['attention/photos'] == 80
