"""The classification configs train and test on tiny data, each network at its full size."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from bgremoval_mm.datasets.clothing10 import CLASSES
from bgremoval_mm.engine.work_dir import read_run
from bgremoval_mm.experiments.papers.liang2023.experiments import CLASSIFICATION, Classification
from bgremoval_mm.removal import remove_tree

ROOT = Path(__file__).resolve().parents[2]
# What makes a ResNet-18 of the ResNet-50.
SHALLOW = {'model.backbone.depth': 18, 'model.head.in_channels': 512}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('isolated_scope')]


@pytest.fixture
def isolated_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Runner leaves its default scope behind, which would change how later tests find classes."""
    pytest.importorskip('mmpretrain')
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())


@pytest.fixture
def tiny_config(
    request: pytest.FixtureRequest, tiny_model: Any, tmp_path: Path
) -> Callable[..., Config]:
    """A function that gives an experiment's config on a tiny data set, two steps an epoch."""
    tiny_model('u2netp')
    masks = tmp_path / 'masks'

    def make(experiment: Classification, arm: str, dataset: str = 'clothing10') -> Config:
        root = request.getfixturevalue(f'{dataset}_root')
        if not masks.exists():
            remove_tree(root, masks, 'u2netp', device='cpu', progress=False)
        config = Config.fromfile(ROOT / 'configs' / experiment.config(dataset, arm))
        config.work_dir = str(tmp_path / 'work_dirs' / Path(config.filename).stem)
        for name in ('train', 'val', 'test'):
            loader = config[f'{name}_dataloader']
            loader.update(num_workers=0, batch_size=2)
            leaf = loader.dataset
            if arm == 'rembg':
                leaf.update(model='u2netp', mask_dir=str(masks))
                leaf = leaf.dataset
            leaf.data_root = str(root)
            if dataset == 'clothing10':  # photos of two classes, of which each has 3 or 2
                leaf.indices = [0, 1, 3, 4] if name == 'train' else [0, 2]
            else:  # a class's training photos end with those of odd names
                leaf.indices = [3, 4, 5, 6] if name == 'train' else [0, 1]
        config.default_hooks.checkpoint.update(interval=-1, save_best=None)  # a gigabyte each
        config.default_hooks.logger.interval = 1
        if experiment.pretrained:
            config.model.backbone.init_cfg = None
        return config

    return make


def experiment(model: str) -> Classification:
    """The from-scratch experiment of a network, or the only one there is."""
    return next(each for each in CLASSIFICATION if each.model == model)


class OneEpoch(Hook):
    """Ends the training after an epoch, and remembers what it did to the last layer's bias."""

    moved = False

    def before_train_epoch(self, runner: Runner) -> None:
        """Keep the bias as it was initialised."""
        self.before = self.bias(runner).clone()

    def after_train_epoch(self, runner: Runner) -> None:
        """Compare, and stop as EarlyStoppingHook does."""
        self.moved = not torch.equal(self.before, self.bias(runner))
        runner.train_loop.stop_training = True

    @staticmethod
    def bias(runner: Runner) -> torch.Tensor:
        """The last parameter."""
        return list(runner.model.parameters())[-1].detach()


def train(runner: Runner) -> OneEpoch:
    """Train for an epoch, with the schedule of the whole training."""
    hook = OneEpoch()
    runner.register_hook(hook)
    runner.train()
    return hook


@pytest.mark.parametrize(
    'model', ['vgg11', 'vgg11bn', 'resnet50', 'resnest101', 'swin-tiny', 'vit-base-p16']
)
def test_each_family_takes_a_training_step_and_is_tested(
    model: str, tiny_config: Callable[..., Config]
) -> None:
    """Two steps at the real image size; weights move, validation and test give their metrics."""
    config = tiny_config(experiment(model), 'rembg')
    runner = Runner.from_cfg(config)
    assert train(runner).moved
    run = read_run(config.work_dir)
    assert set(run.val) == {1}
    assert 0 <= run.val[1]['accuracy/top1'] <= 100
    metrics = runner.test()
    assert [name for name in metrics if '/class/' in name] == [
        f'accuracy/class/{name}' for name in CLASSES
    ]
    # One photo of each of the first two classes, and none of the others.
    assert [name for name in CLASSES if not math.isnan(metrics[f'accuracy/class/{name}'])] == [
        'dress',
        'hat',
    ]
    shares = [metrics['accuracy/class/dress'], metrics['accuracy/class/hat']]
    assert metrics['accuracy/top1'] == pytest.approx(sum(shares) / 2)


def test_the_difference_table_has_the_classes(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    """Both arms trained and tested: top-1 and each class's accuracy are compared."""
    for arm in ('original', 'rembg'):
        config = tiny_config(experiment('resnet50'), arm)
        config.merge_from_dict(SHALLOW)
        runner = Runner.from_cfg(config)
        train(runner)
        runner.test()
    report = json.loads((Path(config.work_dir) / 'diff_metrics.json').read_text())
    assert report['runs']['test']['baseline'].endswith('resnet50_1xb32_clothing10')
    assert list(report['test']) == ['accuracy/top1', *(f'accuracy/class/{n}' for n in CLASSES)]
    dress, hat, skirt = (report['test'][f'accuracy/class/{n}'] for n in ('dress', 'hat', 'skirt'))
    for entry in (dress, hat):
        assert entry['unit'] == 'percent'
        assert entry['diff'] == entry['rembg'] - entry['original']
    assert skirt['diff'] is None  # no photo of it


@pytest.mark.parametrize('split', ['official', 'stratified'])
def test_fashionstyle14_and_the_split_in_the_checkpoint(
    split: str, tiny_config: Callable[..., Config]
) -> None:
    """Photos of odd names train with their masks; the run keeps which split it used."""
    config = tiny_config(experiment('resnet50'), 'rembg', 'fashionstyle14')
    config.default_hooks.checkpoint.interval = 1
    config.merge_from_dict(SHALLOW)
    for name in ('train', 'val', 'test'):
        config[f'{name}_dataloader'].dataset.dataset.split = split
    runner = Runner.from_cfg(config)
    assert train(runner).moved
    (checkpoint,) = Path(config.work_dir).glob('epoch_*.pth')
    meta = torch.load(checkpoint, weights_only=True)['meta']['dataset_meta']
    assert len(meta['classes']) == 14
    assert meta['split'].startswith(
        'official sha256' if split == 'official' else 'stratified seed 0'
    )
    photos = [runner.train_dataloader.dataset.get_data_info(i)['img_path'] for i in range(4)]
    if split == 'official':
        assert {Path(photo).suffix for photo in photos} == {'', '.jpg', '.jpeg'}


MIXING = {
    'swin-tiny': {'model.train_cfg.probs': [0.5, 0.5]},
    'resnest101': {'model.train_cfg.probs': [1.0]},
    'vgg11': {'model.train_cfg.augments.type': 'CutMix', 'model.train_cfg.augments.alpha': 1.0},
    'resnet50': {'model.train_cfg.augments.type': 'Mixup', 'model.train_cfg.augments.alpha': 0.2},
    'vit-base-p16': {
        'model.train_cfg.augments.type': 'Mixup',
        'model.train_cfg.augments.alpha': 0.2,
    },
}


@pytest.mark.parametrize('switched_on', [True, False])
@pytest.mark.parametrize('model', MIXING)
def test_batch_augmentations_are_off_and_can_be_switched_on(model: str, switched_on: bool) -> None:
    """The documented options mix the pictures of a batch and their labels; the loss takes both."""
    from mmpretrain.structures import DataSample

    config = Config.fromfile(ROOT / 'configs' / experiment(model).config('clothing10'))
    if switched_on:
        config.merge_from_dict(MIXING[model])
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        network = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    images = torch.randint(0, 255, (4, 3, 224, 224), dtype=torch.uint8)
    mixed = False
    for _ in range(10):
        samples = [DataSample().set_gt_label(label) for label in range(4)]
        batch = network.data_preprocessor({'inputs': images, 'data_samples': samples}, True)
        for sample in batch['data_samples']:
            score = sample.get('gt_score', torch.ones(1))
            assert score.sum() == pytest.approx(1)
            mixed |= bool(((score > 0) & (score < 1)).any())
    assert mixed == switched_on
    with torch.no_grad():
        assert network(**batch, mode='loss')['loss'].isfinite()
