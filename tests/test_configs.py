"""Every config loads and builds; a pair of configs differs in nothing but the background."""

from __future__ import annotations

import ast
import re
import runpy
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS, MODELS, DefaultScope

from bgremoval_mm.engine.pairs import baseline_name

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
EXPERIMENTS = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    # Those of the others: tests/tools/test_metric_learning.py and test_saliency_training.py,
    # tests/experiments/test_park2019.py.
    if not {'_base_', 'metric_learning', 'retrieval', 'saliency'} & set(path.parts)
)
REMBG = [name for name in EXPERIMENTS if '-rembg' in name]
BGAUG = [name for name in EXPERIMENTS if '-bgaug' in name]
# Classes of ImageNet, of COCO with and without background, of ADE20K and Cityscapes.
UPSTREAM = {'mmpretrain': (1000,), 'mmdet': (80, 81), 'mmseg': (150, 19)}
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# What a suffix changes of a plain removal, in which datasets.
QUESTIONS = {
    '-mean': {'fill': 'mean'},
    '-blur': {'condition': 'blurred'},
    '-hard': {'threshold': 0.5},
    '-sure': {'exclude': 'data/masks/clothing10/left_out.txt'},
}
ASKED = [name for name in REMBG if any(f'-rembg{each}' in name for each in QUESTIONS)]


def original_of(name: str) -> str:
    """Return the config that one with the background removed is compared with."""
    stem = baseline_name(Path(name).stem)
    assert stem is not None
    return f'{Path(name).parent.as_posix()}/{stem}.py'


@cache
def _loaded(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


def load(name: str) -> Config:
    """Load a config as a tool does; the copy may be changed."""
    for codebase in ('mmpretrain', 'mmdet', 'mmseg'):
        pytest.importorskip(codebase)
    return deepcopy(_loaded(name))


def innermost(dataset: ConfigDict) -> ConfigDict:
    """Return the config of the dataset inside of wrappers."""
    return innermost(dataset.dataset) if 'dataset' in dataset else dataset


def unwrapped(config: Config) -> dict[str, Any]:
    """Return a -rembg config with its RembgDatasets replaced by what they wrap."""
    content = config.to_dict()
    for loader in LOADERS:
        outer = content[loader]['dataset']
        assert outer['type'] == 'RembgDataset'
        # The pipeline is the wrapper's, where stock tools look for it, and its alone.
        inner = outer['dataset']
        assert 'pipeline' not in inner
        content[loader]['dataset'] = {**inner, 'pipeline': outer['pipeline']}
    for own in ('rembg', 'left_out'):
        content.pop(own, None)
    hooks = content.pop('custom_hooks')
    assert hooks == [{'type': 'DiffMetricsHook'}]
    return content


@pytest.mark.parametrize('name', REMBG)
def test_pair_differs_in_the_background_alone(name: str) -> None:
    """With the wrapper and the diff hook taken off, the -rembg config is the original."""
    original = load(original_of(name)).to_dict()
    assert unwrapped(load(name)) == original


@pytest.mark.parametrize('name', REMBG)
def test_removed_config_inherits_from_the_original(name: str) -> None:
    """A -rembg config is short: its original, and what the dataset needs for the removal."""
    text = (CONFIGS / name).read_text()
    assert len(text.splitlines()) <= 10
    original, removal = ast.literal_eval(re.match(r'_base_ = (\[.*?\])', text, re.DOTALL)[1])
    assert original == f'./{Path(original_of(name)).name}'
    base = set(Config.fromfile(CONFIGS / Path(name).parent / removal))
    assert base - {'left_out'} == {'rembg', 'custom_hooks'}
    assert ('left_out' in base) == ('-rembg-sure' in name)


@pytest.mark.parametrize('name', ASKED)
def test_questions_change_one_thing_of_a_plain_removal(name: str) -> None:
    """Colour, blur and hard edges in all three datasets; photos are left out of training alone."""
    stem = Path(name).stem
    suffix = next(each for each in QUESTIONS if stem.endswith(f'-rembg{each}'))
    asked, plain = load(name), load(name.replace(f'-rembg{suffix}', '-rembg'))
    for loader in LOADERS:
        ours, theirs = (config[loader].dataset.to_dict() for config in (asked, plain))
        in_training_alone = suffix == '-sure' and loader != 'train_dataloader'
        assert ours == theirs | ({} if in_training_alone else QUESTIONS[suffix])


def test_questions_are_asked() -> None:
    """There is something for the test above to look at: four questions of six trainings."""
    assert len(ASKED) == 24


def test_every_original_has_its_removed_config() -> None:
    """An experiment is a pair."""
    originals = [name for name in EXPERIMENTS if name not in REMBG + BGAUG]
    assert originals == sorted({original_of(name) for name in REMBG})
    assert all(name.replace('.py', '-rembg.py') in REMBG for name in originals if '512' not in name)


@pytest.mark.parametrize('name', BGAUG)
def test_replaced_config_differs_in_the_training_backgrounds_alone(name: str) -> None:
    """It is short, inherits from its original, and without the wrapper and hooks it is that."""
    text = (CONFIGS / name).read_text()
    assert len(text.splitlines()) <= 10
    content = load(name).to_dict()
    outer = content['train_dataloader']['dataset']
    settings = content.pop('bgaug')
    assert {key: value for key, value in outer.items() if key not in ('dataset', 'pipeline')} == (
        settings
    )
    assert settings['bank'] == 'data/background_bank/bank_a.txt'
    content['train_dataloader']['dataset'] = {**outer['dataset'], 'pipeline': outer['pipeline']}
    hooks = content.pop('custom_hooks')
    assert [hook['type'] for hook in hooks] == ['DiffMetricsHook', 'DisjointBanksHook']
    assert content == load(name.replace('-bgaug', '')).to_dict()


def test_both_networks_have_a_replaced_config() -> None:
    """There is something for the test above to look at."""
    assert {Path(name).parent.name for name in BGAUG} >= {'vgg', 'resnet'}


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_config_names_its_package_and_never_scales_the_learning_rate(name: str) -> None:
    """The package is imported in one place; `auto_scale_lr` is off; loaders suit stock tools."""
    config = load(name)
    assert config.custom_imports == {
        'imports': ['bgremoval_mm', 'bgremoval_mm.pretrained'],
        'allow_failed_imports': False,
    }
    assert not config.get('auto_scale_lr', {}).get('enable', False)
    settings = {'persistent_workers', 'num_workers'}
    if config.default_scope == 'mmpretrain':
        # Its tools fill in what is missing: with 0 workers, what torch refuses.
        settings.add('collate_fn')
    for loader in LOADERS:
        assert settings <= set(config[loader])


@pytest.mark.parametrize('name', EXPERIMENTS)
@pytest.mark.usefixtures('no_initialisation')
def test_config_builds_with_one_class_count(name: str) -> None:
    """The model builds, and class counts agree in the model, the preprocessor and the dataset."""
    config = load(name)
    preprocessor = config.get('data_preprocessor', {})
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build({'data_preprocessor': deepcopy(preprocessor), **config.model})
        for loader in LOADERS:
            base = innermost(config[loader].dataset)
            classes = DATASETS.build({**base, 'lazy_init': True}).metainfo['classes']
            assert class_counts(config) == {len(classes)}
    shapes = {parameter.shape for parameter in model.parameters()}
    outputs = 1 if config.model.get('head', {}).get('type') == 'BinaryClsHead' else len(classes)
    assert torch.Size([outputs]) in shapes  # the last layer's bias
    for upstream in UPSTREAM[config.default_scope]:
        assert torch.Size([upstream]) not in shapes
    if config.default_scope == 'mmpretrain':
        assert model.data_preprocessor.num_classes == len(classes)
    if config.default_scope == 'mmdet':
        boxes = model.roi_head.bbox_head
        assert boxes.fc_cls.out_features == len(classes) + 1
        assert boxes.fc_reg.out_features == 4 * len(classes)


def class_counts(config: Config) -> set[int]:
    """Collect the values of `num_classes` in a config's model and in its preprocessor."""
    found: set[int] = set()

    def collect(node: object) -> None:
        if isinstance(node, ConfigDict):
            if 'num_classes' in node:
                found.add(node['num_classes'])
            for value in node.values():
                collect(value)
        elif isinstance(node, list | tuple):
            for value in node:
                collect(value)

    collect(config.model)
    if config.default_scope == 'mmpretrain':
        found.add(config.data_preprocessor.num_classes)
    return found


def test_metafiles_are_up_to_date() -> None:
    """`mim search` finds every config with its settings."""
    load(
        'demo/efficientnet-lite0_in1k-pre_1xb32-5e_products.py'
    )  # skips where a codebase is missing
    metafile = runpy.run_path(CONFIGS.parent / '.dev_scripts' / 'metafiles.py')['metafile']
    for path in CONFIGS.glob('*/*/metafile.yml'):
        text = metafile(path.parent, lambda file: _loaded(file.relative_to(CONFIGS).as_posix()))
        assert path.read_text() == text, 'run `python .dev_scripts/metafiles.py`'
