"""Every config loads and builds; the two arms of a pair differ in nothing but the background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
EXPERIMENTS = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
REMBG = [name for name in EXPERIMENTS if '-rembg' in name]


def load(name: str) -> Config:
    """A config, loaded as a tool loads it."""
    pytest.importorskip('mmpretrain')
    return Config.fromfile(CONFIGS / name)


def unwrapped(config: Config) -> dict[str, Any]:
    """The config with its RembgDatasets replaced by what they wrap."""
    content = config.to_dict()
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        outer = content[loader]['dataset']
        assert outer['type'] == 'RembgDataset'
        inner = outer['dataset']
        # The pipeline stands at the wrapper's own level, where stock tools look for it.
        assert outer['pipeline'] == inner['pipeline']
        content[loader]['dataset'] = inner
    content.pop('rembg', None)
    hooks = content.pop('custom_hooks')
    assert hooks == [{'type': 'DiffMetricsHook'}]
    return content


@pytest.mark.parametrize('name', REMBG)
def test_arms_differ_in_the_background_alone(name: str) -> None:
    """With the wrapper and the diff hook taken off, the removed arm is the original one."""
    original = load(name.replace('-rembg', '')).to_dict()
    assert unwrapped(load(name)) == original


@pytest.mark.parametrize('name', [name for name in EXPERIMENTS if '-rembg' not in name])
def test_every_original_has_its_removed_twin(name: str) -> None:
    """An experiment is a pair, in files that differ in the data set base and the hook."""
    path = CONFIGS / name
    (twin,) = [CONFIGS / other for other in REMBG if other.replace('-rembg', '') == name]
    ours, theirs = path.read_text().splitlines(), twin.read_text().splitlines()
    added = [line for line in theirs if line and line not in ours]
    removed = [line for line in ours if line and line not in theirs]
    assert len(removed) == 1
    assert '_base_' in removed[0]
    assert len(added) == 2
    assert '-rembg' in added[0]
    assert added[1] == "custom_hooks = [dict(type='DiffMetricsHook')]"


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_config_builds_with_one_class_count(name: str) -> None:
    """The package is imported once, the model builds, and all class counts agree."""
    config = load(name)
    assert config.custom_imports == {'imports': ['bgremoval_mm'], 'allow_failed_imports': False}
    assert not config.get('auto_scale_lr', {}).get('enable', False)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model)
    assert sum(p.numel() for p in model.parameters()) > 0
    inner = config.test_dataloader.dataset
    while 'dataset' in inner:
        inner = inner.dataset
    assert class_counts(config) == {len(inner.metainfo.classes)}


def class_counts(config: Config) -> set[int]:
    """Every value of `num_classes` in a config's model and data preprocessor."""
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
    collect(config.data_preprocessor)
    return found
