"""The configs of product catalogues and the work's Table I, typed from the paper, say the same."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'configs/classification/catalogue'


class Row(NamedTuple):
    """A row of Schindler et al., arXiv 1811.04374, Table I, or the person detector."""

    name: str
    network: str
    pretrained: bool = False
    trained: str = 'all'
    augmented: bool = True
    task: str = ''


ROWS = (
    Row('inception-v3_in1k-pre', 'InceptionV3', pretrained=True),  # rows 1 and 2
    Row('vgg16_in1k-pre', 'VGG16', pretrained=True),
    Row('inception-v3_in1k-pre_person-layer', 'PersonProbability', pretrained=True),
    Row('vgg19_in1k-pre', 'VGG19', pretrained=True),
    Row('inception-v3_in1k-pre_no-aug', 'InceptionV3', pretrained=True, augmented=False),
    Row('vgg19_in1k-pre_top', 'VGG19', pretrained=True, trained='top'),
    Row('vgg16_in1k-pre_top', 'VGG16', pretrained=True, trained='top'),
    Row('inception-v3_in1k-pre_top', 'InceptionV3', pretrained=True, trained='top'),
    Row('inception-v3_in1k-pre_no-person', 'InceptionV3', pretrained=True),
    Row('inception-v3', 'InceptionV3'),
    Row('custom-cnn', 'SmallCNN'),
    Row('custom-cnn_no-aug', 'SmallCNN', augmented=False),
    Row('vgg-like', 'SmallCNN'),
    Row('vgg16', 'VGG16'),
    Row('vgg19', 'VGG19'),
    Row('vgg19_in1k-pre_top', 'VGG19', pretrained=True, trained='top', task='-gender'),
    Row('inception-v3_in1k-pre', 'InceptionV3', pretrained=True, task='-gender'),
    Row('vgg19_in1k-pre', 'VGG19', pretrained=True, task='-gender'),
    Row('vgg-like', 'SmallCNN', task='-person'),
)
# Not the work's: network, name of its weights, mean and deviation, learning rate, that of the top.
SMALL = {
    'efficientnet-lite0': ('efficientnet-lite0-57934424.pth', 127.5, 1e-3, 3e-3),
    'mobilenet-v2': ('mobilenet_v2_1.0_224_in1k_dequant.npz', 128.0, 3e-4, 3e-3),
}
LABELS = {
    '': ('category', 10),
    '-gender': ('gender', 3),
    '-person': ('person_in_photo', 2),
}
KINDS = tuple(product(SMALL, ('', '_top'), LABELS))


@cache
def _loaded(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py')


def load(name: str) -> Config:
    """Load a config of the folder; the copy may be changed."""
    for codebase in ('mmpretrain', 'mmdet', 'mmseg'):
        pytest.importorskip(codebase)
    return deepcopy(_loaded(name))


def test_every_config_is_of_a_row() -> None:
    """The rows, the small networks, and each of them without and on replaced backgrounds."""
    names = [f'{row.name}_1xb32_luma{row.task}' for row in ROWS]
    names += [f'{net}_in1k-pre{top}_1xb32_luma{task}' for net, top, task in KINDS]
    expected = [f'{name}{variant}' for name in names for variant in ('', '-rembg', '-bgaug')]
    assert sorted(expected) == sorted(path.stem for path in FOLDER.glob('*.py'))


def trained(config: Config) -> str:
    """What the learning rates and hooks of a config leave to be trained."""
    keys = config.optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
    frozen = any(each.get('lr_mult') == 0 for each in keys.values())
    return 'top' if frozen or 'freeze' in config.default_hooks else 'all'


def augmented(config: Config) -> bool:
    """Whether the training has more transforms than the test."""
    return config.train_dataloader.dataset.pipeline != config.test_dataloader.dataset.pipeline


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row.name + row.task)
def test_rows(row: Row) -> None:
    """Network, initial weights, what is trained, augmentation and task are those of the row."""
    config = load(f'{row.name}_1xb32_luma{row.task}')
    backbone = config.model.backbone
    network = f'VGG{backbone.depth}' if backbone.type == 'VGG' else backbone.type
    inner = backbone.get('backbone', backbone)
    assert (
        Row(
            row.name,
            network,
            (inner.get('init_cfg') or {}).get('type') == 'Pretrained',
            trained(config),
            augmented(config),
            row.task,
        )
        == row
    )
    check_task(config, row.task, 3 if 'no-person' in row.name else None)


def check_task(config: Config, task: str, classes: int | None = None) -> None:
    """Check label, classes, folds of products and the accuracies of a config."""
    label, count = LABELS[task]
    for subset in ('train', 'val', 'test'):
        dataset = config[f'{subset}_dataloader'].dataset
        assert (dataset.type, dataset.subset, dataset.label) == ('Catalogue', subset, label)
        assert (dataset.fold, dataset.fold_file) == (0, 'data/folds/luma.csv')
        assert len(dataset.metainfo.classes) == (classes or count)
    for evaluator in (config.val_evaluator, config.test_evaluator):
        assert [each.type for each in evaluator][:2] == ['Accuracy', 'ProductAccuracy']
        assert 'rules' not in evaluator[1]  # sum, max and vote
    if task == '-person':
        assert config.model.head.type == 'BinaryClsHead'
        assert 'threshold' not in config.model.head  # 0.5


@pytest.mark.parametrize(('network', 'top', 'task'), KINDS, ids=''.join)
def test_small_networks(network: str, top: str, task: str) -> None:
    """Weights, normalisation, learning rate and length are those of the register of defaults."""
    config = load(f'{network}_in1k-pre{top}_1xb32_luma{task}')
    weights, grey, rate, rate_of_top = SMALL[network]
    start = config.model.backbone.init_cfg
    assert (start.type, start.prefix, Path(start.checkpoint).name) == (
        'Pretrained',
        'backbone',
        weights,
    )
    assert config.data_preprocessor.mean == config.data_preprocessor.std == [grey] * 3
    assert config.data_preprocessor.to_rgb
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.weight_decay) == ('AdamW', 0.05)
    assert optimizer.lr == (rate_of_top if top else rate)
    warm_up, cosine = config.param_scheduler
    assert (warm_up.end, cosine.begin, cosine.end, cosine.T_max) == (1, 1, 15, 14)
    assert config.train_cfg.max_epochs == 15
    assert trained(config) == ('top' if top else 'all')
    if top:
        freeze = config.to_dict()['default_hooks']['freeze']
        assert freeze == {'type': 'FreezeModulesHook', 'modules': ['backbone']}
    assert augmented(config)
    check_task(config, task)


@pytest.mark.parametrize('network', SMALL)
def test_top_is_the_same_training_but_for_what_is_frozen(network: str) -> None:
    """Without the hook and the learning rate, it is that of all layers."""
    top = load(f'{network}_in1k-pre_top_1xb32_luma').to_dict()
    whole = load(f'{network}_in1k-pre_1xb32_luma').to_dict()
    top['default_hooks'].pop('freeze')
    top['optim_wrapper']['optimizer'].pop('lr')
    whole['optim_wrapper']['optimizer'].pop('lr')
    assert top == whole


def test_mobilenet_suits_its_weights() -> None:
    """TensorFlow's padding; normalisation, which is folded in, is never done by the batch."""
    backbone = load('mobilenet-v2_in1k-pre_1xb32_luma').model.backbone
    assert backbone.norm_eval
    assert backbone.conv_cfg == {'type': 'Conv2dAdaptivePadding'}


def options(name: str) -> dict[str, Any]:
    """The options of a file in configs/reduced."""
    lines = (ROOT / 'configs/reduced' / name).read_text(encoding='utf-8').splitlines()
    pairs = [line.partition('=') for line in lines if not line.startswith('#')]
    return {key: eval(value) for key, _, value in pairs}  # numbers and tuples


@pytest.mark.parametrize('suffix', ['', '-rembg', '-bgaug'])
def test_reduced_options(suffix: str) -> None:
    """They meet photos' sizes in all variants, and the end of the schedule."""
    config = load(f'efficientnet-lite0_in1k-pre_top_1xb32_luma{suffix}')
    config.merge_from_dict(options('catalogue_luma_128px.txt'))
    for subset in ('train', 'val', 'test'):
        pipeline = config[f'{subset}_dataloader'].dataset.pipeline
        assert (pipeline[1].type, pipeline[1].scale) == ('Resize', (128, 128))
        text = str(pipeline)
        assert not re.search(r'\b(224|112)\b', text)
    sizes = {'torchvision/Pad': 64, 'torchvision/CenterCrop': 128}
    found = {
        each.type: each.get('padding', each.get('size'))
        for each in config.train_dataloader.dataset.pipeline
        if each.type in sizes
    }
    assert found == sizes
    config.merge_from_dict(options('catalogue_luma_top_4e.txt'))
    cosine = config.param_scheduler[1]
    assert config.train_cfg.max_epochs == cosine.end == cosine.begin + cosine.T_max == 4
