"""The configs of the saliency networks, and short trainings: one learns eight pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

pytest.importorskip('mmseg')

from mmengine.evaluator import Evaluator
from mmengine.registry import DATASETS, MODELS, OPTIMIZERS, DefaultScope

from bgremoval_mm.engine.work_dir import read_run
from bgremoval_mm.removal.pairs.manifest import Pair, write_manifest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs/saliency/u2net'
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
PAIRS = 'u2netp_1xb12-30e_pairs-320x320.py'
OTHERS = sorted(
    path.relative_to(FOLDER.parent).as_posix()
    for path in FOLDER.parent.rglob('*.py')
    if path.parent != FOLDER
)
SMALL = {
    'basnet/basnet_1xb8-30e_pairs-256x256.py': ['model.encoder_init_cfg=None'],
    'mask_rcnn/mask-rcnn_r50_fpn_1xb12-30e_pairs-320x320.py': ['model.backbone.init_cfg=None'],
}
SIDE = 36  # the smallest maps are 2 x 2 then: batch normalisation has values to work with
EIGHT = """
_base_ = '{base}'
randomness = dict(seed=1)
optim_wrapper = dict(optimizer=dict(lr=8e-3))
# Without the warm-up, Adam's first steps, which are all of the full learning rate, silence so many
# ReLUs that maps of 36 x 36 stay coarse. At the end the weights hardly move, and the running
# statistics of batch normalisation, an average over some ten batches, become theirs.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.2, by_epoch=True, begin=0, end=5),
    dict(type='PolyLR', eta_min=0.0, power=1.0, by_epoch=True, begin=5, end=50),
]
train_cfg = dict(max_epochs=60, val_interval=60)
default_hooks = dict(checkpoint=dict(interval=60))
load, mask = dict(type='LoadImageFromFile'), dict(type='LoadSaliencyMask')
resize = dict(type='Resize', scale=({side}, {side}))
pipeline = [load, resize, mask, dict(type='ScaleToFullRange'), dict(type='PackSegInputs')]
pairs = dict(manifest='{manifest}', split='train', pipeline=pipeline)
train_dataloader = dict(batch_size=8, num_workers=0, persistent_workers=False, dataset=pairs)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=pairs)
test_dataloader = val_dataloader
test_evaluator = dict(scores=('IoU', 'MAE'))
"""
# Four epochs of two batches, with the augmentation of the config but for its sizes.
SHORT = """
custom_imports = dict(
    imports=['bgremoval_mm', 'bgremoval_mm.pretrained', 'killed'], allow_failed_imports=False)
train_cfg = dict(max_epochs=4, val_interval=5)
default_hooks = dict(checkpoint=dict(interval=1, save_best=None))
crop = dict(type='RandomCrop', crop_size=(34, 34))
flips = [dict(type='RandomFlip', prob=0.5, direction=each) for each in ('vertical', 'horizontal')]
pairs = {**pairs, 'pipeline': [
    load, mask, resize, crop, *flips, dict(type='ScaleToFullRange'), dict(type='PackSegInputs')]}
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=pairs)
"""
KILLED = """
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module(force=True)
class KilledAtFive(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 4:
            raise SystemExit('killed')
"""


@pytest.fixture
def eight(tmp_path: Path) -> Path:
    """Eight pictures of a bright rectangle on dark noise, with their masks, as training pairs."""
    pairs = []
    for index in range(8):
        rng = np.random.default_rng(index)
        pixels = rng.integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        top, left = rng.integers(2, SIDE // 4, 2)
        height, width = rng.integers(SIDE // 2, 3 * SIDE // 4, 2)
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
            dataset = config[f'{loader}_dataloader'].dataset
            for each in dataset.get('datasets', [dataset]):
                built = DATASETS.build({**each, 'lazy_init': True})
                assert built.metainfo['classes'] == ('background', 'foreground')
        model = MODELS.build(deepcopy(config.model))
        # As a Runner builds it, which takes `metrics` for another kind of evaluator.
        (metric,) = Evaluator(config.val_evaluator).metrics
    assert 'metrics' not in config.val_evaluator
    assert 'metrics' not in config.test_evaluator
    assert metric.scores == ('MAE', 'IoU')
    with DefaultScope.overwrite_default_scope('mmseg'):
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


@pytest.mark.parametrize('name', OTHERS)
@pytest.mark.usefixtures('no_initialisation')
def test_config_of_another_network(name: str) -> None:
    """Its parts are found, and it is measured as U2-Net is."""
    config = Config.fromfile(FOLDER.parent / name)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        for loader in ('train', 'val', 'test'):
            dataset = {**config[f'{loader}_dataloader'].dataset, 'lazy_init': True}
            assert DATASETS.build(dataset).metainfo['classes'][-1] == 'foreground'
        MODELS.build(deepcopy(config.model))
        (metric,) = Evaluator(config.val_evaluator).metrics
    assert metric.scores == ('MAE', 'IoU')
    assert config.default_hooks.checkpoint.save_best == 'saliency/IoU'
    assert config.auto_scale_lr.base_batch_size == config.train_dataloader.batch_size


def test_six_sets() -> None:
    """They are tested in one go, and told apart by their names."""
    config = Config.fromfile(FOLDER / 'u2netp_1xb12-600k_six-sets-320x320.py')
    sets = config.test_dataloader.dataset.datasets
    assert [each.cluster for each in sets] == [each.layout for each in sets]
    assert {Path(each.data_root).name for each in sets} == {each.layout for each in sets}
    assert len(sets) == 6
    assert config.model.arch == 'u2netp'


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'options'), SMALL.items())
def test_another_network_trains_and_is_tested(
    name: str, options: list[str], eight: Path, tmp_path: Path, run_tool: Callable[..., None]
) -> None:
    """Stock tools train an epoch at 64 pixels, and IoU comes out."""
    size = [f'train_dataloader.dataset.pipeline.{n}=(64,64)' for n in ('2.scale', '3.crop_size')]
    loaders = [f'{each}_dataloader' for each in ('train', 'val', 'test')]
    size += [f'{each}.dataset.pipeline.1.scale=(64,64)' for each in loaders[1:]]
    data = ['train_dataloader.batch_size=4', 'train_cfg.max_epochs=1']
    for each in loaders:
        data += [f'{each}.num_workers=0', f'{each}.persistent_workers=False']
        data += [f'{each}.dataset.manifest={eight}', f'{each}.dataset.split=train']
    config = str(FOLDER.parent / name)
    run_tool('train', config, '--work-dir', str(tmp_path), '--cfg-options', *size, *data, *options)
    found = read_run(tmp_path).val[1]
    assert 0 <= found['saliency/IoU'] <= 1
    assert (tmp_path / 'epoch_1.pth').is_file()


@pytest.mark.slow
def test_an_interrupted_training_ends_as_another(
    eight: Path, tmp_path: Path, run_tool: Callable[..., None]
) -> None:
    """Killed in its third epoch and resumed, U2-NetP has the weights of an undisturbed training.

    With the augmentation of the config, which EpochSeedHook makes a matter of seed and epoch.
    """
    (tmp_path / 'killed.py').write_text(KILLED)
    common = EIGHT.format(base=FOLDER / PAIRS, manifest=eight, side=SIDE) + SHORT
    for name, more in (('whole', ''), ('broken', "custom_hooks = [dict(type='KilledAtFive')]\n")):
        (tmp_path / f'{name}.py').write_text(common + more)
    sys.path.insert(0, str(tmp_path))
    try:
        run_tool('train', str(tmp_path / 'whole.py'), '--work-dir', str(tmp_path / 'whole'))
        broken = ('train', str(tmp_path / 'broken.py'), '--work-dir', str(tmp_path / 'broken'))
        with pytest.raises(SystemExit, match='killed'):
            run_tool(*broken)
        assert (tmp_path / 'broken/last_checkpoint').read_text().endswith('epoch_2.pth')
        run_tool(*broken, '--resume', '--cfg-options', 'custom_hooks=[]')
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop('killed', None)
    weights = [
        torch.load(tmp_path / name / 'epoch_4.pth', weights_only=False)['state_dict']
        for name in ('whole', 'broken')
    ]
    assert list(weights[0]) == list(weights[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_learns_eight_pictures(eight: Path, tmp_path: Path, run_tool: Callable[..., None]) -> None:
    """Stock tools train U2-NetP from scratch to an IoU above 0.95, and test the best weights."""
    config = tmp_path / 'eight.py'
    config.write_text(EIGHT.format(base=FOLDER / PAIRS, manifest=eight, side=SIDE))
    run_tool('train', str(config), '--work-dir', str(tmp_path / 'run'))
    (best,) = (tmp_path / 'run').glob('best_saliency_IoU_epoch_*.pth')
    run_tool('test', str(config), str(best), '--work-dir', str(tmp_path / 'test'))
    results = [log.read_text() for log in (tmp_path / 'test').glob('*/*.json')]
    (found,) = (json.loads(text) for text in results if 'saliency/IoU' in text)
    assert found['saliency/IoU'] > 0.95
