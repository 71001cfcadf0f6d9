"""What the tests of the tools share."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DETECTION = """
randomness = dict(seed=0)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.001))
val_cfg = test_cfg = dict()
_base_ = ['mmdet::_base_/models/retinanet_r50_fpn.py']
default_scope = 'mmdet'
model = dict(
    backbone=dict(depth=18, base_channels=8, init_cfg=None, norm_cfg=dict(type='BN')),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=16),
    bbox_head=dict(num_classes=1, in_channels=16, feat_channels=16, stacked_convs=1),
    test_cfg=dict(score_thr=0.))  # an untrained model is sure of nothing
pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(64, 64)),
    dict(type='PackDetInputs', meta_keys=(
        'img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]
dataset = dict(
    type='CocoDataset', ann_file='instances.json', data_prefix=dict(img='images/'),
    metainfo=dict(classes=('thing',)), pipeline=pipeline)
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dataset, sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = test_dataloader = dict(
    batch_size=1, num_workers=0, dataset={**dataset, 'test_mode': True},
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = test_evaluator = dict(
    type='CocoMetric', ann_file='instances.json', metric='bbox')
train_cfg = dict(by_epoch=True, max_epochs=1)
default_hooks = dict(visualization=dict(type='DetVisualizationHook'))
visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
"""


@pytest.fixture
def detection() -> str:
    """The text of an mmdet config: a small RetinaNet on images with one box each."""
    return DETECTION


@pytest.fixture(scope='session')
def prepare_tool(repository: Path) -> ModuleType:
    """Load tools/prepare_dataset.py as a module."""
    spec = spec_from_file_location('prepare_tool', repository / 'tools' / 'prepare_dataset.py')
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prepare(
    prepare_tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, dict[str, Any]]]:
    """Return a function that runs it: exit status, what it printed, its JSON if it wrote any."""

    def run(*arguments: str | Path) -> tuple[int, str, dict[str, Any]]:
        file = tmp_path / 'found.json'
        file.unlink(missing_ok=True)
        status = prepare_tool.main([*map(str, arguments), '--json', str(file)])
        captured = capsys.readouterr()
        found = json.loads(file.read_text()) if file.is_file() else {}
        return status, captured.out + captured.err, found

    return run
