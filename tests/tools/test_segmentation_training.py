"""The segmentation configs train and test on tiny data, each network at its full size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from bgremoval_mm.datasets.formats.categories import prepared_folder
from bgremoval_mm.engine.work_dir import read_run
from bgremoval_mm.experiments.papers.liang2023.experiments import (
    INSTANCE_SEGMENTATION,
    SEMANTIC_SEGMENTATION,
    Experiment,
    InstanceSegmentation,
)
from bgremoval_mm.removal import remove_tree

ROOT = Path(__file__).resolve().parents[2]
SWIN_T = next(each for each in INSTANCE_SEGMENTATION if each.model == 'swin-t-p4-w7')
(SWIN_B,) = SEMANTIC_SEGMENTATION

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('isolated_scope')]


@pytest.fixture
def isolated_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Runner leaves its default scope behind, which would change how later tests find classes."""
    for codebase in ('mmdet', 'mmseg'):
        pytest.importorskip(codebase)
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())


@pytest.fixture
def tiny_config(tiny_model, prepared_ccp: Path, tmp_path: Path) -> Callable[..., Config]:
    """A function that gives an experiment's config for CCP at 64 pixels, for two steps."""
    tiny_model('u2netp')
    masks = tmp_path / 'masks'
    remove_tree(prepared_ccp, masks, 'u2netp', device='cpu', progress=False)
    annotations = prepared_folder(prepared_ccp) / 'annotations' / 'instances_val.json'

    def make(experiment: Experiment, arm: str) -> Config:
        config = Config.fromfile(ROOT / 'configs' / experiment.config('ccp', arm))
        config.work_dir = str(tmp_path / 'work_dirs' / Path(config.filename).stem)
        # A process has one visualizer a name: a second run would write into the first one's folder.
        config.visualizer.name = config.work_dir
        for name in ('train', 'val', 'test'):
            loader = config[f'{name}_dataloader']
            loader.update(num_workers=0, persistent_workers=False)
            leaf = loader.dataset
            for step in leaf.pipeline:
                if step['type'] in ('Resize', 'RandomResize'):
                    step['scale'] = (64, 64)
                if step['type'] == 'RandomCrop':
                    step['crop_size'] = (64, 64)
            if arm == 'rembg':
                leaf.update(model='u2netp', mask_dir=str(masks))
                leaf = leaf.dataset
            leaf.data_root = str(prepared_ccp)
            if name == 'train':
                leaf.indices = 4
                loader.batch_size = 2
                leaf.get('filter_cfg', {}).update(min_size=8)
        config.default_hooks.checkpoint.update(interval=-1, save_best=None, save_last=False)
        config.default_hooks.logger.interval = 1
        config.model.backbone.init_cfg = None
        if isinstance(experiment, InstanceSegmentation):
            config.train_cfg.max_epochs = 1
            config.model.test_cfg.rcnn.score_thr = 0.0  # two steps make a network sure of nothing
            config.val_evaluator.ann_file = config.test_evaluator.ann_file = str(annotations)
        else:
            config.train_cfg.update(max_iters=2, val_interval=2)
            config.model.data_preprocessor.size = (64, 64)
        return config

    return make


class Moved(Hook):
    """Tells which parameters a training has changed."""

    def before_train(self, runner: Runner) -> None:
        """Keep them as they were initialised, but let proposals be the anchors.

        Random proposals of ResNeSt, whose batch statistics two steps do not settle, are no boxes.
        """
        if hasattr(runner.model, 'rpn_head'):
            torch.nn.init.zeros_(runner.model.rpn_head.rpn_reg.weight)
        self.before = {k: v.detach().clone() for k, v in runner.model.named_parameters()}

    def after_train(self, runner: Runner) -> None:
        """Compare."""
        after = dict(runner.model.named_parameters())
        self.names = {k for k, v in self.before.items() if not torch.equal(v, after[k])}


def trained(config: Config) -> tuple[Runner, set[str]]:
    """A Runner that has trained, and the parameters that it has changed."""
    runner = Runner.from_cfg(config)
    hook = Moved()
    runner.register_hook(hook)
    runner.train()
    return runner, hook.names


@pytest.mark.parametrize('experiment', INSTANCE_SEGMENTATION, ids=lambda e: e.model)
def test_mask_rcnn_trains_and_is_tested(
    experiment: InstanceSegmentation, tiny_config: Callable[..., Config]
) -> None:
    """Two steps on removed photos; each part of the network moves; mAP comes out."""
    config = tiny_config(experiment, 'rembg')
    runner, moved = trained(config)
    for part in ('backbone', 'neck', 'rpn_head', 'roi_head.bbox_head', 'roi_head.mask_head'):
        assert any(name.startswith(f'{part}.') for name in moved), part
    run = read_run(config.work_dir)
    assert set(run.val) == {1}
    wanted = {'coco/bbox_mAP', 'coco/bbox_mAP_50', 'coco/segm_mAP', 'coco/segm_mAP_50'}
    metrics = runner.test()
    assert wanted <= set(metrics)
    assert wanted <= set(run.val[1])
    assert all(-1 <= metrics[name] <= 1 for name in wanted)


def test_upernet_trains_and_is_tested(tiny_config: Callable[..., Config]) -> None:
    """Two steps on removed photos; backbone and both heads move; percentages come out."""
    config = tiny_config(SWIN_B, 'rembg')
    runner, moved = trained(config)
    for part in ('backbone', 'decode_head', 'auxiliary_head'):
        assert any(name.startswith(f'{part}.') for name in moved), part
    assert set(read_run(config.work_dir).val) == {2}
    metrics = runner.test()
    assert set(metrics) == {'aAcc', 'mIoU', 'mAcc'}
    assert all(0 <= value <= 100 for value in metrics.values())


@pytest.mark.parametrize(
    ('experiment', 'units'),
    [
        (SWIN_T, {'coco/bbox_mAP': 'fraction', 'coco/segm_mAP': 'fraction'}),
        (SWIN_B, {'mIoU': 'percent', 'mAcc': 'percent', 'aAcc': 'percent'}),
    ],
    ids=lambda value: getattr(value, 'title', ''),
)
def test_the_arms_are_compared_in_their_own_units(
    experiment: Experiment, units: dict[str, str], tiny_config: Callable[..., Config]
) -> None:
    """Both arms of a small network of the family: fractions for mmdet, percent for mmseg."""
    for arm in ('original', 'rembg'):
        config = tiny_config(experiment, arm)
        config.model.backbone.update(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1))
        if experiment is SWIN_T:
            config.model.neck.in_channels = [8, 16, 32, 64]
        else:
            config.model.decode_head.update(in_channels=[8, 16, 32, 64], channels=8)
            config.model.auxiliary_head.update(in_channels=32, channels=8)
        runner, _ = trained(config)
        runner.test()
    report = json.loads((Path(config.work_dir) / 'diff_metrics.json').read_text())
    assert not report['runs']['test']['baseline'].endswith('-rembg')
    for name, unit in units.items():
        for entry in (report['test'][name], report['last'][name]):
            assert entry['unit'] == unit
            assert entry['diff'] == pytest.approx(entry['rembg'] - entry['original'])
