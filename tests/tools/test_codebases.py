"""tools/train.py and tools/test.py on mmdet and mmseg configs, each on four real image files."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.engine.work_dir import read_run

COMMON = """
randomness = dict(seed=0)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.001))
val_cfg = test_cfg = dict()
"""

SEGMENTATION = (
    COMMON
    + """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[123.] * 3, std=[58.] * 3, bgr_to_rgb=True,
        size=(64, 64), pad_val=0, seg_pad_val=255),
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, out_indices=(3,), norm_cfg=dict(type='BN')),
    decode_head=dict(
        type='FCNHead', in_channels=64, channels=16, num_convs=1, num_classes=2,
        norm_cfg=dict(type='BN'), loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
dataset = dict(
    type='BaseSegDataset', data_prefix=dict(img_path='images', seg_map_path='labels'),
    metainfo=dict(classes=('ground', 'thing'), palette=[[0, 0, 0], [255, 0, 0]]),
    pipeline=pipeline)
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dataset, sampler=dict(type='InfiniteSampler'))
val_dataloader = test_dataloader = dict(
    batch_size=1, num_workers=0, dataset=dataset,
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
train_cfg = dict(by_epoch=False, max_iters=2, val_interval=1)
default_hooks = dict(
    logger=dict(type='LoggerHook', log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, save_best='mIoU'),
    visualization=dict(type='SegVisualizationHook'))
visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(by_epoch=False)
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)],
        [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
"""
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four images with a bright square, as a COCO file and as label maps."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    images, annotations = [], []
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    for index in range(4):
        pixels = random.integers(0, 90, (64, 64, 3)).astype(np.uint8)
        labels = np.zeros((64, 64), np.uint8)
        pixels[16:48, 20:44] += 150
        labels[16:48, 20:44] = 1
        Image.fromarray(pixels).save(tmp_path / 'images' / f'{index}.jpg')
        Image.fromarray(labels).save(tmp_path / 'labels' / f'{index}.png')
        images.append({'id': index, 'file_name': f'{index}.jpg', 'width': 64, 'height': 64})
        box = {'bbox': [20, 16, 24, 32], 'area': 768, 'iscrowd': 0}
        annotations.append({'id': index + 1, 'image_id': index, 'category_id': 1, **box})
    categories = [{'id': 1, 'name': 'thing'}]
    content = {'images': images, 'annotations': annotations, 'categories': categories}
    (tmp_path / 'instances.json').write_text(json.dumps(content))
    return tmp_path


def pair(name: str, text: str) -> tuple[str, str]:
    """Write a config and its ``-rembg`` twin (here on the same images) with the hook."""
    Path(f'{name}.py').write_text(text)
    Path(f'{name}-rembg.py').write_text(
        f"_base_ = ['{name}.py']\ncustom_hooks = [dict(type='DiffMetricsHook', strict=True)]\n"
    )
    return f'{name}.py', f'{name}-rembg.py'


@pytest.mark.slow
def test_segmentation(project: Path, run_tool: Callable[..., None]) -> None:
    """mmseg: by iteration, in percent, with TTA and pictures; equal arms differ by zero."""
    pytest.importorskip('mmseg', reason='mmsegmentation is missing')
    original, removed = pair('toy', SEGMENTATION)
    run_tool('train', original)
    run_tool('train', removed)
    run_tool('test', original, 'work_dirs/toy/iter_2.pth', '--tta', '--out', 'm.json')
    run_tool('test', removed, 'work_dirs/toy-rembg/iter_2.pth', '--tta', '--show-dir', 'shown')
    report = json.loads(Path('work_dirs/toy-rembg/diff_metrics.json').read_text())
    assert report['runs']['train']['step_unit'] == 'iter'
    assert report['last']['mIoU']['unit'] == 'percent'
    assert report['last']['mIoU']['original_step'] == 2
    assert json.loads(Path('m.json').read_text())['mIoU'] == report['test']['mIoU']['original']
    assert {entry['diff'] for part in ('last', 'test') for entry in report[part].values()} == {0.0}
    assert len(list(Path('shown').rglob('*.png'))) == 4


@pytest.mark.slow
def test_detection(project: Path, run_tool: Callable[..., None], detection: str) -> None:
    """mmdet: in fractions, with its own dump of predictions and its own picture folder."""
    pytest.importorskip('mmdet', reason='mmdet is missing')
    original, removed = pair('toy', detection)
    run_tool('train', original)
    run_tool('train', removed)
    run_tool('test', original, 'work_dirs/toy/epoch_1.pth', '--out', 'predictions.pkl')
    run_tool('test', removed, 'work_dirs/toy-rembg/epoch_1.pth', '--show-dir', 'shown')
    report = json.loads(Path('work_dirs/toy-rembg/diff_metrics.json').read_text())
    assert report['last']['coco/bbox_mAP']['unit'] == 'fraction'
    assert report['test']['coco/bbox_mAP']['diff'] == 0.0
    assert report['test']['coco/bbox_mAP_s']['diff'] == 0.0  # the squares are small objects
    # There are no large ones: COCO says -1, which is no result.
    assert read_run('work_dirs/toy').val[1]['coco/bbox_mAP_l'] == -1.0
    assert report['last']['coco/bbox_mAP_l']['diff'] is None
    assert len(pickle.loads(Path('predictions.pkl').read_bytes())) == 4
    assert len(list(Path('shown').glob('*.jpg'))) == 4
