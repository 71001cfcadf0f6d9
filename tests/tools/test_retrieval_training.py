"""The configs of garment retrieval: a short training and its test, with queries and gallery."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import remove_tree

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs/retrieval/efficientnet_lite'


@pytest.mark.slow
@pytest.mark.parametrize('suffix', ['', '-rembg-queries'])
def test_trains_and_tests(
    suffix: str,
    grocery_items: Path,
    tmp_path: Path,
    tiny_model: Callable,
    run_tool: Callable[..., None],
) -> None:
    """Steps with triplets of items on the CPU, validation, and a test of the last checkpoint."""
    rng = np.random.default_rng(0)
    for path in grocery_items.rglob('*.jpg'):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    tiny_model('u2net')
    remove_tree(grocery_items, tmp_path / 'masks', 'u2net', device='cpu', progress=False)
    config = FOLDER / f'efficientnet-lite0_oc-is_1xb32_groceries{suffix}.py'
    queries = 'test_dataloader.dataset.datasets.0'
    settings = {
        'model.backbone.init_cfg': None,
        'train_dataloader.batch_size': 8,
        'train_dataloader.batch_sampler.m': 2,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
        'default_hooks.checkpoint.interval': 1,
        'train_dataloader.dataset.data_root': grocery_items,
        'val_dataloader.dataset.data_root': grocery_items,
        'test_dataloader.dataset.datasets.1.data_root': grocery_items,
        f'{queries}.dataset.data_root' if suffix else f'{queries}.data_root': grocery_items,
        **({f'{queries}.mask_dir': tmp_path / 'masks'} if suffix else {}),
        **{f'{loader}_dataloader.num_workers': 0 for loader in ('train', 'val', 'test')},
    }
    options = ['--cfg-options', *(f'{key}={value}' for key, value in settings.items())]
    work_dir = tmp_path / f'run{suffix}'
    run_tool('train', str(config), '--work-dir', str(work_dir), *options)
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert any('retrieval/hit@1' in line for line in lines)
    checkpoint = str(work_dir / 'epoch_1.pth')
    run_tool('test', str(config), checkpoint, '--work-dir', str(tmp_path / 'test'), *options)
    results = {file.read_text() for file in (tmp_path / 'test').glob('*/*.json')}
    (found,) = (json.loads(text) for text in results if 'retrieval/MAP@R' in text)
    hits = [found[f'retrieval/hit@{k}'] for k in (1, 5, 10, 20, 30, 40, 50)]
    assert hits == sorted(hits)
    assert hits[2:] == [100.0] * 5  # the gallery has 8 photos
    assert found['retrieval/queries_left_out'] == 0
    assert found['accuracy/top1'] <= found['accuracy/top3'] <= found['accuracy/top5']
