"""The metric learning configs: what they hold, and a short training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from bgremoval_mm.datasets.grocery_store import subset_of

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs/metric_learning/mobilenet_v2'
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
TRIPLET = 'mobilenet-v2_triplet_1xb32_grocery-store.py'


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


def options(config: Config, root: Path) -> list[str]:
    """Options for two small iterations, without workers and downloads."""
    settings = {
        'model.backbone.init_cfg': None,
        'model.backbone.widen_factor': 0.25,
        'train_dataloader.batch_sampler.iterations': 2,
        'train_dataloader.batch_size': 8,
        'train_cfg.max_epochs': 1,
    }
    for loader in ('train', 'val', 'test'):
        settings[f'{loader}_dataloader.num_workers'] = 0
        settings[f'{loader}_dataloader.dataset.data_root'] = str(root)
    return ['--cfg-options', *(f'{key}={value}' for key, value in settings.items())]


@pytest.mark.parametrize('name', CONFIGS)
def test_trains_and_tests(
    name: str, groceries: Path, tmp_path: Path, run_tool: Callable[..., None]
) -> None:
    """Two steps on the CPU, validation, the best checkpoint, and tools/test.py on it."""
    config = Config.fromfile(FOLDER / name)
    work_dir = tmp_path / 'run'
    chosen = options(config, groceries)
    run_tool('train', str(FOLDER / name), '--work-dir', str(work_dir), *chosen)
    (best,) = work_dir.glob('best_retrieval_MAP@R_epoch_1.pth')
    run_tool('test', str(FOLDER / name), str(best), '--work-dir', str(tmp_path / 'test'), *chosen)
    results = {log.read_text() for log in (tmp_path / 'test').glob('*/*.json')}
    (found,) = (json.loads(text) for text in results if 'retrieval/MAP@R' in text)
    assert 0 <= found['retrieval/MAP@R'] <= found['retrieval/P@1'] <= 100
    assert found['retrieval/queries_left_out'] == 0


@pytest.mark.parametrize('name', CONFIGS)
def test_settings_of_the_work(name: str) -> None:
    """Optimiser, stopping, sampling and selection as in the work; only the classes are ours."""
    config = Config.fromfile(FOLDER / name)
    optimizer = dict(type='RMSprop', lr=1e-6, weight_decay=1e-4, momentum=0.9)
    assert config.optim_wrapper.optimizer == optimizer
    assert config.train_cfg.max_epochs == 1000
    freeze, stop = config.custom_hooks
    assert (freeze.type, stop.type) == ('FreezeBatchNormHook', 'EarlyStoppingHook')
    assert (stop.monitor, stop.patience, stop.min_delta) == ('retrieval/MAP@R', 15, 0)
    assert config.default_hooks.checkpoint.save_best == stop.monitor
    assert config.train_dataloader.batch_sampler.iterations == 100
    assert config.train_dataloader.batch_size == 32
    classes = [number for number in range(81) if subset_of(number) == 'train']
    assert config.model.head.num_classes == len(classes)


def test_every_config_is_in_the_readme() -> None:
    """The table of the folder names each config."""
    text = (FOLDER / 'README.md').read_text(encoding='utf-8')
    assert all(f'`{name}`' in text for name in CONFIGS)
    assert TRIPLET in CONFIGS
