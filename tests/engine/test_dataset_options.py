"""Options of all datasets: one key for each config of a pair."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config

pytest.importorskip('mmcv')

from bgremoval_mm.engine.dataset_options import of_all_datasets

PLAIN = {'type': 'Catalogue', 'fold': 0}
WRAPPED = {'type': 'RembgDataset', 'dataset': PLAIN, 'pipeline': []}
BOTH = {'type': 'ConcatDataset', 'datasets': [PLAIN, PLAIN]}


def of(**datasets: Any) -> Config:
    """A config with these datasets."""
    return Config({f'{name}_dataloader': {'dataset': each} for name, each in datasets.items()})


def test_reaches_the_photos() -> None:
    """In every loader, inside whatever wrappers; what the config then has is that value."""
    config = of(train=WRAPPED, val=PLAIN, test=BOTH)
    found = of_all_datasets(config, {'a.b': 3, 'datasets.fold': 2})
    assert found == {
        'a.b': 3,
        'train_dataloader.dataset.dataset.fold': 2,
        'val_dataloader.dataset.fold': 2,
        'test_dataloader.dataset.datasets.0.fold': 2,
        'test_dataloader.dataset.datasets.1.fold': 2,
    }
    config.merge_from_dict(found)
    assert config.train_dataloader.dataset.dataset.fold == 2
    assert [each.fold for each in config.test_dataloader.dataset.datasets] == [2, 2]


def test_pipeline_of_a_wrapper() -> None:
    """An option of the pipeline goes to the one that loads the images."""
    loading = [{'type': 'LoadImageFromFile'}, {'type': 'Resize', 'scale': 8}]
    config = of(
        train={**WRAPPED, 'pipeline': loading}, val={**WRAPPED, 'dataset': {'type': 'Catalogue'}}
    )
    assert of_all_datasets(config, {'datasets.pipeline.1.scale': 4}) == {
        'train_dataloader.dataset.pipeline.1.scale': 4,
        'val_dataloader.dataset.dataset.pipeline.1.scale': 4,
    }


def test_other_options_stay() -> None:
    """Without the key, or in a config that has one of that name, options are as they came."""
    options = {'datasets.fold': 2, 'x': 1}
    assert of_all_datasets(Config({'datasets': {'fold': 0}}), options) == options
    assert of_all_datasets(of(train=PLAIN), {'x': 1}) == {'x': 1}


def test_loaders_that_are_off() -> None:
    """With --no-validate there is no dataset of validation."""
    config = of(train=PLAIN)
    config.val_dataloader = None
    assert of_all_datasets(config, {'datasets.fold': 1}) == {'train_dataloader.dataset.fold': 1}
