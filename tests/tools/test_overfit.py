"""Small networks learn eight real photos by heart: annotations, masks, losses and metrics fit.

Minutes of training each, so that they run when asked for: ``make test ARGS='-m overfit'``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from bgremoval_mm.datasets.prepare import ccp
from bgremoval_mm.datasets.prepare.check_report import CheckReport
from bgremoval_mm.experiments.papers.liang2023.experiments import (
    INSTANCE_SEGMENTATION,
    SEMANTIC_SEGMENTATION,
    Experiment,
)
from bgremoval_mm.removal import find_weights

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = ROOT / 'data' / 'ccp'
EIGHT = list(range(0, 640, 80))
EPOCHS = 100
SWIN_T = next(each for each in INSTANCE_SEGMENTATION if each.model == 'swin-t-p4-w7')
(SWIN_B,) = SEMANTIC_SEGMENTATION

pytestmark = [pytest.mark.overfit, pytest.mark.real, pytest.mark.timeout(3600)]


@pytest.fixture(scope='module')
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CCP's annotations and label maps."""
    if not (PHOTOS / 'photos').is_dir():
        pytest.skip('needs data/ccp: python tools/prepare_dataset.py ccp')
    folder = tmp_path_factory.mktemp('ccp') / 'prepared'
    ccp.prepare(PHOTOS, folder, CheckReport('CCP', ''), 2, progress=False)
    return folder


@pytest.fixture(autouse=True)
def isolated_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Runner leaves its default scope behind."""
    for codebase in ('mmdet', 'mmseg'):
        pytest.importorskip(codebase)
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())


def eight_photos(experiment: Experiment, arm: str, tmp_path: Path) -> tuple[Config, list[Config]]:
    """An experiment's config that trains and tests on eight photos, and its three data sets."""
    if arm == 'rembg' and find_weights('u2net') is None:
        pytest.skip('needs weights: python tools/download_weights.py u2net')
    config = Config.fromfile(ROOT / 'configs' / experiment.config('ccp', arm))
    config.work_dir = str(tmp_path)
    config.visualizer.name = config.work_dir
    config.custom_hooks = []
    leaves = []
    for name in ('train', 'val', 'test'):
        loader = config[f'{name}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        leaf = loader.dataset
        if arm == 'rembg':
            leaf.update(mask_dir=str(tmp_path / 'masks'), on_missing='compute')
            leaf = leaf.dataset
        leaf.update(data_root=str(PHOTOS), subset='train', indices=EIGHT, test_mode=name != 'train')
        leaves.append(leaf)
    config.default_hooks.checkpoint.update(interval=-1, save_best=None)  # the last one stays
    config.model.backbone.update(init_cfg=None, drop_path_rate=0.0)
    return config, leaves


@pytest.mark.parametrize('arm', ['original', 'rembg'])
def test_mask_rcnn_learns_eight_photos(arm: str, prepared: Path, tmp_path: Path) -> None:
    """A small Swin below half-width heads, from scratch at 384 pixels: segm mAP above 0.5."""
    config, leaves = eight_photos(SWIN_T, arm, tmp_path)
    for leaf in leaves:
        leaf.ann_file = str(prepared / 'annotations' / 'instances_train.json')
        # Indices count what a filter leaves: with one in training only, the photos would differ.
        leaf.filter_cfg = None
    config.val_evaluator.ann_file = config.test_evaluator.ann_file = None
    for name in ('train', 'val', 'test'):
        dataset = config[f'{name}_dataloader'].dataset
        dataset.pipeline = [step for step in dataset.pipeline if step['type'] != 'RandomFlip']
        (resize,) = [step for step in dataset.pipeline if step['type'] == 'Resize']
        resize['scale'] = (384, 384)
    config.train_dataloader.batch_size = 2

    model = config.model
    model.backbone.update(embed_dims=48, depths=[1, 1, 2, 1], num_heads=[2, 4, 8, 16])
    model.neck.update(in_channels=[48, 96, 192, 384], out_channels=128)
    model.rpn_head.update(in_channels=128, feat_channels=128)
    model.rpn_head.anchor_generator.scales = [2, 4]  # CCP has rings and earrings
    model.roi_head.bbox_roi_extractor.out_channels = 128
    model.roi_head.mask_roi_extractor.out_channels = 128
    model.roi_head.bbox_head.update(in_channels=128, fc_out_channels=512)
    model.roi_head.mask_head.update(in_channels=128, conv_out_channels=128)
    model.train_cfg.rpn_proposal.update(nms_pre=500, max_per_img=200)
    model.train_cfg.rcnn.sampler.num = 64

    config.optim_wrapper.optimizer.update(lr=5e-4, weight_decay=0.0)
    config.optim_wrapper.clip_grad = {'max_norm': 10}
    config.train_cfg.update(max_epochs=EPOCHS, val_interval=EPOCHS)
    warm_up, steps = config.param_scheduler
    warm_up.update(start_factor=0.01, end=40)
    steps.update(end=EPOCHS, milestones=[EPOCHS * 7 // 10, EPOCHS * 9 // 10])
    runner = Runner.from_cfg(config)
    runner.train()
    metrics = runner.test()
    assert metrics['coco/segm_mAP'] > 0.5, metrics
    assert metrics['coco/bbox_mAP'] > 0.5, metrics


@pytest.mark.parametrize('arm', ['original', 'rembg'])
def test_upernet_learns_eight_photos(arm: str, prepared: Path, tmp_path: Path) -> None:
    """A small Swin below narrow heads, from scratch at 128 pixels: mIoU above 50 percent."""
    config, leaves = eight_photos(SWIN_B, arm, tmp_path)
    for leaf in leaves:
        leaf.prepared = str(prepared)
    for name in ('train', 'val', 'test'):
        dataset = config[f'{name}_dataloader'].dataset
        kept = ('LoadImageFromFile', 'LoadAnnotations', 'Resize', 'PackSegInputs')
        dataset.pipeline = [step for step in dataset.pipeline if step['type'] in kept]
        resize = {'type': 'Resize', 'scale': (256, 128), 'keep_ratio': True}
        if name == 'train':
            dataset.pipeline.insert(2, resize)
        else:
            dataset.pipeline[1] = resize
    config.train_dataloader.batch_size = 4

    model = config.model
    model.data_preprocessor.update(size=None, size_divisor=32)
    model.backbone.update(embed_dims=32, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8))
    model.decode_head.update(in_channels=[32, 64, 128, 256], channels=64, dropout_ratio=0.0)
    model.auxiliary_head.update(in_channels=128, channels=32, dropout_ratio=0.0)

    config.optim_wrapper.optimizer.lr = 1e-3
    config.train_cfg.update(max_iters=300, val_interval=300)
    warm_up, poly = config.param_scheduler
    warm_up.update(start_factor=0.01, end=40)
    poly.update(begin=40, end=300)
    runner = Runner.from_cfg(config)
    runner.train()
    metrics = runner.test()
    assert metrics['mIoU'] > 50, metrics
